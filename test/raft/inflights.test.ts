import fc from "fast-check";
import { expect, test } from "vitest";
import { Inflights } from "../../src/raft/inflights.ts";

test("the window counts what a plain list counts", () => {
  const limits = { messages: 5, bytes: 100 };
  const add = fc.record({ grow: fc.integer({ min: 1, max: 3 }), bytes: fc.integer({ min: 0, max: 40 }) });
  const free = fc.record({ back: fc.integer({ min: 0, max: 8 }) });
  fc.assert(
    fc.property(fc.array(fc.oneof(add, add, free), { maxLength: 400 }), (script) => {
      const inflights = new Inflights(limits);
      let list: { lastIndex: number; bytes: number }[] = [];
      let lastIndex = 0;
      for (const step of script) {
        if ("back" in step) {
          inflights.freeTo(lastIndex - step.back);
          list = list.filter((message) => message.lastIndex > lastIndex - step.back);
        } else if (!inflights.full) {
          lastIndex += step.grow;
          inflights.add(lastIndex, step.bytes);
          list.push({ lastIndex, bytes: step.bytes });
        }
        const bytes = list.reduce((sum, message) => sum + message.bytes, 0);
        expect(inflights).toMatchObject({ count: list.length, bytes, full: list.length >= 5 || bytes >= 100 });
      }
    }),
  );
});

test("one message may be larger than the window, so that a large entry gets through", () => {
  const inflights = new Inflights({ messages: 9, bytes: 10 });
  expect(inflights.full).toBe(false);
  inflights.add(1, 1000);
  expect(inflights.full).toBe(true);
  inflights.freeTo(1);
  expect(inflights).toMatchObject({ count: 0, bytes: 0, full: false });
});

test("a reset forgets everything", () => {
  const inflights = new Inflights({ messages: 2, bytes: 10 });
  inflights.add(1, 5);
  inflights.add(2, 5);
  inflights.reset();
  expect(inflights).toMatchObject({ count: 0, bytes: 0, full: false });
});
