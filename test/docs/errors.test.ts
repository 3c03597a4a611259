import { readFileSync } from "node:fs";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { allReasons, type Reason, statusOf } from "../../src/server/status.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const [ofCalls = "", ofMembers = ""] = read("docs/errors.md").split("\n## Errors of a member\n");
const rows = new Map(
  [...ofCalls.matchAll(/^\| \[`([A-Z_]+)`\]\([^)]*\) \| ([A-Z_]+) \|/gm)].map((match) => [match[1], match[2]]),
);

function headings(text: string): Set<string | undefined> {
  return new Set([...text.matchAll(/^### `([A-Z_]+)`$/gm)].map((match) => match[1]));
}

test("every reason of a call has a heading, and every heading is a reason", () => {
  expect(headings(ofCalls)).toEqual(new Set(allReasons));
});

test.each(allReasons)("%s stands in the table with the code that it is sent with", (reason) => {
  const { code } = statusOf({ reason: reason as Reason, message: "" });
  expect(rows.get(reason)).toBe(status[code]);
});

test("every code of an operating error has a heading, and every heading is a code", () => {
  const codes = [...read("src/lib/errors.ts").matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map((match) => match[1]);
  expect(codes).toContain("CONFIG_INVALID");
  expect(headings(ofMembers)).toEqual(new Set(codes));
});
