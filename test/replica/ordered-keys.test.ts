import fc from "fast-check";
import { expect, test } from "vitest";
import { OrderedKeys } from "../../src/replica/ordered-keys.ts";

const key = fc.string({ maxLength: 3, unit: fc.constantFrom("\u0000", "a", "b", "\u00fe", "\u00ff") });

test("ordered keys answer as a sorted array does", () => {
  const changes = fc.array(fc.tuple(fc.boolean(), key), { maxLength: 400 });
  fc.assert(
    fc.property(changes, key, (list, from) => {
      const keys = new OrderedKeys();
      const model = new Set<string>();
      for (const [add, name] of list) {
        if (add) keys.add(name);
        else keys.delete(name);
        if (add) model.add(name);
        else model.delete(name);
      }
      expect(keys.firstFrom(from)).toBe([...model].sort().find((name) => name >= from));
    }),
  );
});

test("ordered keys stay in order across many chunks", () => {
  const keys = new OrderedKeys();
  const names = Array.from({ length: 5000 }, (_, i) => String((i * 7919) % 5000).padStart(5, "0"));
  for (const name of names) keys.add(name);
  for (let i = 0; i < 5000; i += 2) keys.delete(String(i).padStart(5, "0"));
  const found: string[] = [];
  for (let next = keys.firstFrom(""); next !== undefined; next = keys.firstFrom(`${next}\u0000`)) found.push(next);
  expect(found).toEqual([...names].sort().filter((name) => Number(name) % 2 === 1));
});
