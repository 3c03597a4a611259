# Every target works on a clean clone with Node >= 20, npm and make.
.PHONY: install build test verify fix generate run bench

install:
	npm ci
