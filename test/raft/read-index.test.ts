import fc from "fast-check";
import { expect, test } from "vitest";
import { ReadIndexQueue } from "../../src/raft/read-index.ts";

const local = (context: number) => ({ type: "local", context }) as const;

test("reads go with the round that begins after them, and end with it", () => {
  const queue = new ReadIndexQueue();
  queue.add(local(1));
  queue.beginRound(5, 10);
  queue.add(local(2));
  expect(queue).toMatchObject({ size: 2, hasGathered: true, roundUnderWay: true });
  queue.beginRound(6, 12);
  expect(queue.confirm(4)).toEqual([]);
  expect(queue.confirm(5)).toEqual([{ origin: local(1), index: 10 }]);
  expect(queue.confirm(9)).toEqual([{ origin: local(2), index: 12 }]);
  expect(queue).toMatchObject({ size: 0, hasGathered: false, roundUnderWay: false });
});

test("a round without reads is none", () => {
  const queue = new ReadIndexQueue();
  queue.beginRound(1, 1);
  expect(queue.roundUnderWay).toBe(false);
});

test("each read ends once, by a round not before its own or by the end of leadership", () => {
  const step = fc.constantFrom("add", "begin", "confirm", "clear");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (script) => {
      const queue = new ReadIndexQueue();
      const beganAfter: number[] = [];
      const ended = new Set<number>();
      let round = 0;
      const end = (context: number): void => {
        expect(ended.has(context)).toBe(false);
        ended.add(context);
      };
      for (const name of [...script, "clear"]) {
        if (name === "add") queue.add(local(beganAfter.push(round) - 1));
        if (name === "begin") queue.beginRound(++round, round * 10);
        const confirmed = name === "confirm" ? queue.confirm(round) : [];
        for (const { origin, index } of confirmed) {
          if (origin.type !== "local") throw new Error("only local reads were added");
          expect(index).toBeGreaterThan((beganAfter[origin.context] ?? 0) * 10);
          end(origin.context);
        }
        for (const origin of name === "clear" ? queue.clear() : []) if (origin.type === "local") end(origin.context);
        expect(queue.size).toBe(beganAfter.length - ended.size);
      }
      expect(ended.size).toBe(beganAfter.length);
    }),
  );
});
