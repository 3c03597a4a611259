import { describe, expect, test } from "vitest";
import { checkLinearizability, isLinearization, type Observation, type Operation } from "./linearizability.ts";

const seen = (operation: Operation, invokedAt: number, returnedAt: number | null): Observation => ({
  operation,
  invokedAt,
  returnedAt,
});
const put = (value: string): Operation => ({ kind: "put", value });
const get = (output: string | null): Operation => ({ kind: "get", output });
const increment = (output: number | undefined): Operation => ({ kind: "increment", delta: 1, output });
const cas = (expected: string | null, value: string, applied: boolean | undefined): Operation => ({
  kind: "cas",
  expected,
  value,
  applied,
});

describe("histories that some order explains", () => {
  const histories: Record<string, Observation[]> = {
    "nothing happened": [],
    "a key that was never written": [seen(get(null), 0, 1)],
    "one after the other": [seen(put("a"), 0, 1), seen(get("a"), 2, 3), seen(put("b"), 4, 5), seen(get("b"), 6, 7)],
    "a read during a write sees the old value": [seen(put("a"), 0, 1), seen(put("b"), 2, 9), seen(get("a"), 3, 4)],
    "two reads during a write see it take effect between them": [
      seen(put("a"), 0, 9),
      seen(get(null), 1, 2),
      seen(get("a"), 3, 4),
    ],
    "an unanswered write is seen much later": [seen(put("a"), 0, null), seen(get(null), 5, 6), seen(get("a"), 7, 8)],
    "an unanswered write never takes effect": [seen(put("a"), 0, null), seen(get(null), 5, 6)],
    "concurrent compare-and-set: one wins": [
      seen(put("a"), 0, 1),
      seen(cas("a", "b", true), 2, 5),
      seen(cas("a", "c", false), 2, 5),
      seen(get("b"), 6, 7),
    ],
    "an unanswered compare-and-set did not match": [
      seen(put("a"), 0, 1),
      seen(cas("x", "b", undefined), 2, null),
      seen(get("a"), 3, 4),
    ],
    "concurrent increments answer in the other order": [
      seen(increment(2), 0, 5),
      seen(increment(1), 0, 5),
      seen(get("2"), 6, 7),
    ],
    "an unanswered increment counts": [seen(increment(undefined), 0, null), seen(increment(2), 1, 2)],
    "a deletion between two reads": [
      seen(put("a"), 0, 1),
      seen({ kind: "delete" }, 2, 5),
      seen(get("a"), 3, 4),
      seen(get(null), 6, 7),
    ],
  };
  test.each(Object.entries(histories))("%s", (_name, history) => {
    expect(checkLinearizability(history)).toBe("linearizable");
  });
});

describe("histories that no order explains", () => {
  const histories: Record<string, Observation[]> = {
    "a stale read after an acknowledged write": [seen(put("a"), 0, 1), seen(put("b"), 2, 3), seen(get("a"), 4, 5)],
    "an acknowledged write is lost": [seen(put("a"), 0, 1), seen(get(null), 2, 3)],
    "reads go back during a write": [seen(put("a"), 0, 9), seen(get("a"), 1, 2), seen(get(null), 3, 4)],
    "a value from nowhere": [seen(put("a"), 0, 1), seen(get("z"), 2, 3)],
    "two compare-and-set of one value both win": [
      seen(put("a"), 0, 1),
      seen(cas("a", "b", true), 2, 5),
      seen(cas("a", "c", true), 2, 5),
    ],
    "a compare-and-set fails although nothing else happened": [seen(put("a"), 0, 1), seen(cas("a", "b", false), 2, 3)],
    "an increment is counted twice": [seen(increment(1), 0, 1), seen(get("2"), 2, 3)],
    "two increments give one answer": [seen(increment(1), 0, 5), seen(increment(1), 0, 5)],
    "an unanswered write takes effect before it was called": [seen(get("a"), 0, 1), seen(put("a"), 2, null)],
  };
  test.each(Object.entries(histories))("%s", (_name, history) => {
    expect(checkLinearizability(history)).toBe("violated");
  });
});

test("a history as long as the system tests make is decided", () => {
  const history: Observation[] = [];
  for (let round = 0; round < 20; round++) {
    const start = round * 100;
    for (let client = 0; client < 5; client++)
      history.push(seen(put(`${round}/${client}`), start + client, start + 50));
    if (round % 5 === 0) history.push(seen(put(`${round}/unknown`), start + 5, null));
    history.push(seen(get(`${round}/4`), start + 60, start + 70));
  }
  expect(checkLinearizability(history)).toBe("linearizable");
  expect(checkLinearizability([...history, seen(get("3/3"), 5_000, 5_001)])).toBe("violated");
});

test("the search gives up at its limit of steps", () => {
  const history = Array.from({ length: 12 }, (_, client) => seen(put(String(client)), 0, 10));
  history.push(seen(get("none"), 11, 12));
  expect(checkLinearizability(history, 100)).toBe("undecided");
});

describe("an order that is given", () => {
  const write = seen(put("a"), 0, 5);
  const rewrite = seen(put("b"), 4, 8);

  test("is taken if it explains every answer and keeps real time", () => {
    expect(isLinearization([])).toBe(true);
    expect(isLinearization([write, seen(get("a"), 1, 3), rewrite, seen(get("b"), 6, 9)])).toBe(true);
    expect(isLinearization([rewrite, write, seen(get("a"), 6, 9)])).toBe(true);
    expect(isLinearization([write, rewrite, seen(put("c"), 1, null), seen(get("c"), 9, 10)])).toBe(true);
  });

  test("is refused if an answer contradicts it, though another order may explain that", () => {
    expect(isLinearization([rewrite, write, seen(get("b"), 6, 9)])).toBe(false);
  });

  test("is refused if what had returned stands behind what was called later", () => {
    expect(isLinearization([seen(put("c"), 6, 7), write])).toBe(false);
    expect(isLinearization([write, seen(put("c"), 6, 7), seen(get("c"), 8, 9), rewrite])).toBe(true);
    expect(isLinearization([seen(put("c"), 9, 10), rewrite, seen(get("b"), 9, 10)])).toBe(false);
  });
});
