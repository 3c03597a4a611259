import { expect, test } from "vitest";
import { ConfigurationHistory } from "../../src/raft/configuration-history.ts";
import type { ConfigurationEntry } from "../../src/raft/entry.ts";
import { entriesOf, voters } from "./test-member.ts";

const base = { index: 0, configuration: voters("a") };
const change = (index: number, ...ids: string[]): ConfigurationEntry => {
  return { kind: "configuration", index, term: 1, timeMs: 0, configuration: voters(...ids) };
};

test("the newest configuration is in force, among entries of every kind", () => {
  const history = new ConfigurationHistory(base, [change(2, "a", "b")]);
  expect(history.current).toMatchObject({ index: 2, configuration: { voters: ["a", "b"] } });
  history.append([...entriesOf([1, 1], 3), change(5, "a", "b", "c"), ...entriesOf([1], 6)]);
  expect(history.current).toMatchObject({ index: 5, configuration: { voters: ["a", "b", "c"] } });
});

test("each index has the configuration that was in force there", () => {
  const history = new ConfigurationHistory(base, [change(2, "a", "b"), change(5, "a", "b", "c")]);
  const counts = [0, 1, 2, 4, 5, 9].map((index) => history.at(index).configuration.voters.length);
  expect(counts).toEqual([1, 1, 2, 2, 3, 3]);
});

test("compaction keeps the one in force at its index, and those after it", () => {
  for (const [index, kept] of [
    [1, [0, 2, 5]],
    [2, [2, 5]],
    [4, [2, 5]],
    [9, [5]],
  ] as const) {
    const history = new ConfigurationHistory(base, [change(2, "a", "b"), change(5, "a", "b", "c")]);
    history.compactTo(index);
    expect(history.toJSON().map((each) => each.index)).toEqual(kept);
    expect(history.current.index).toBe(5);
    expect(history.truncateFrom(index + 1)).toBe(kept.length > 1);
    expect(history.current.index).toBe(kept[0]);
  }
});

test("a snapshot's configuration takes the place of all", () => {
  const history = new ConfigurationHistory(base, [change(2, "a", "b"), change(5, "a", "b", "c")]);
  const other = { index: 7, configuration: voters("d") };
  history.resetTo(other);
  expect([history.current, history.at(0)]).toEqual([other, other]);
});

test("truncation takes configurations back, one and several, and never the base", () => {
  const history = new ConfigurationHistory(base, [change(2, "a", "b"), change(5, "a", "b", "c"), change(6, "b")]);
  expect(history.truncateFrom(7)).toBe(false);
  expect(history.truncateFrom(5)).toBe(true);
  expect(history.current.index).toBe(2);
  expect(history.truncateFrom(1)).toBe(true);
  expect(history.current).toEqual(base);
});
