import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Entry, entriesSize, entrySize } from "../../src/raft/entry.ts";
import { type LogWrite, RaftLog } from "../../src/raft/raft-log.ts";
import { entriesOf } from "./test-member.ts";

/**
 * The same, done the slow and plain way: every entry in a list, and a disk that is a list too. What was compacted stays in
 * the list; in place of what a snapshot stands for there are entries that nobody asks for.
 */
class PlainLog {
  base = 0;
  entries: Entry[] = [];
  disk: Entry[] = [];
  writing: LogWrite | null = null;

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? 0;
  }

  /** How far the disk agrees with the log; what was written and then truncated does not count. */
  get durableIndex(): number {
    const differs = this.entries.findIndex((entry, position) => this.disk[position] !== entry);
    return differs < 0 ? this.entries.length : differs;
  }

  finishWrite(): void {
    if (this.writing?.truncateFrom !== undefined) this.disk.length = this.writing.truncateFrom - 1;
    this.disk.push(...(this.writing?.entries ?? []));
    this.writing = null;
  }
}

type Step = (log: RaftLog, plain: PlainLog) => void;

const append = fc.record({ count: fc.integer({ min: 1, max: 4 }), newer: fc.integer({ min: 0, max: 2 }) }).map(
  ({ count, newer }): Step =>
    (log, plain) => {
      const entries = entriesOf(Array(count).fill(Math.max(1, plain.lastTerm + newer)), plain.entries.length + 1);
      log.append(entries);
      plain.entries.push(...entries);
    },
);
const truncate = fc.integer({ min: 1, max: 6 }).map(
  (count): Step =>
    (log, plain) => {
      const from = Math.max(plain.base + 1, plain.entries.length + 1 - count);
      log.truncateFrom(from);
      plain.entries.length = from - 1;
    },
);
const write: Step = (log, plain) => {
  if (plain.writing === null) plain.writing = log.takeWrite();
};
const finishWrite: Step = (log, plain) => {
  if (plain.writing === null) return;
  plain.finishWrite();
  log.written();
};
const release = fc.integer({ min: 0, max: 400 }).map(
  (bytesMax): Step =>
    (log) => {
      log.releaseTail(log.durableIndex, bytesMax);
    },
);
const compact = fc.nat(5).map(
  (count): Step =>
    (log, plain) => {
      plain.base = Math.min(log.durableIndex, plain.base + count);
      log.compactTo(plain.base);
    },
);
const reset = fc.record({ further: fc.integer({ min: 1, max: 5 }), newer: fc.integer({ min: 0, max: 2 }) }).map(
  ({ further, newer }): Step =>
    (log, plain) => {
      if (plain.writing !== null || log.dirty) return;
      const position = { index: plain.base + further, term: Math.max(1, plain.lastTerm + newer) };
      log.resetTo(position);
      plain.base = position.index;
      plain.entries = entriesOf(Array(position.index).fill(position.term));
      plain.disk = [...plain.entries];
    },
);
const always = (step: Step) => fc.constant(step);
const steps = fc.oneof(append, append, truncate, always(write), always(finishWrite), release, compact, reset);

function compare(log: RaftLog, plain: PlainLog): void {
  const last = plain.entries.length;
  expect(log.lastIndex).toBe(last);
  expect(log.lastTerm).toBe(plain.lastTerm);
  const indexes = Array.from({ length: last + 2 }, (_, index) => index);
  const terms = [0, ...plain.entries.map((entry) => entry.term), undefined].fill(undefined, 0, plain.base);
  expect(indexes.map((index) => log.termAt(index))).toEqual(terms);
  expect([log.base.index, log.firstIndex]).toEqual([plain.base, plain.base + 1]);
  // Agreement with the disk by chance is not known to the log: it may take less to be durable, never more.
  expect(log.durableIndex).toBeLessThanOrEqual(plain.durableIndex);
  if (plain.writing === null && !log.dirty) expect(log.durableIndex).toBe(last);
  expect(log.tailFirstIndex).toBeLessThanOrEqual(log.durableIndex + 1);
  expect(log.tailFirstIndex).toBeGreaterThan(plain.base);
  if (log.tailFirstIndex <= last) {
    expect(log.slice(log.tailFirstIndex, last, Number.POSITIVE_INFINITY)).toEqual(
      plain.entries.slice(log.tailFirstIndex - 1),
    );
  }
}

test("the log is what a plain list of entries and a plain disk make of the same steps", () => {
  const empty = { base: { index: 0, term: 0 }, lastIndex: 0, termRuns: [] };
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60, size: "max" }), (script) => {
      const [log, plain] = [new RaftLog(empty), new PlainLog()];
      for (const step of script) {
        step(log, plain);
        compare(log, plain);
      }
      for (const step of [finishWrite, write, finishWrite]) step(log, plain);
      expect(plain.disk).toEqual(plain.entries);
      expect(log.durableIndex).toBe(plain.entries.length);
      expectBytesCounted(log);
    }),
    { numRuns: 200 },
  );
});

/** Everything leaves when nothing may stay, and one entry stays when there is room for one: no byte is counted too few or many. */
function expectBytesCounted(log: RaftLog): void {
  log.releaseTail(log.lastIndex, 0);
  expect(log.tailFirstIndex).toBe(log.lastIndex + 1);
  const [entry] = entriesOf([Math.max(1, log.lastTerm)], log.lastIndex + 1);
  if (entry === undefined) throw new Error("one entry was made");
  log.append([entry]);
  log.takeWrite();
  log.written();
  log.releaseTail(log.lastIndex, entrySize(entry) / 1.25);
  expect(log.tailFirstIndex).toBe(log.lastIndex);
}

/** A recovered log of these terms; its entries are in the store only. */
function logOf(...terms: number[]): RaftLog {
  const termRuns = terms.flatMap((term, position) =>
    term === terms[position - 1] ? [] : [{ firstIndex: position + 1, term }],
  );
  return new RaftLog({ base: { index: 0, term: 0 }, lastIndex: terms.length, termRuns });
}

test("the highest index up to one whose term is no higher, as by looking at each", () => {
  const terms = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 20 }).map((list) => list.sort((a, b) => a - b));
  fc.assert(
    fc.property(terms, fc.nat(25), fc.nat(7), fc.nat(20), (list, index, term, compacted) => {
      const log = logOf(...list);
      const base = Math.min(compacted, list.length);
      log.compactTo(base);
      let expected = Math.min(index, list.length);
      // Of what was compacted only the last term is known.
      while (expected >= Math.max(base, 1) && (list[expected - 1] ?? 0) > term) expected--;
      expect(log.lastIndexOfTermUpTo(index, term)).toBe(expected);
    }),
  );
});

describe("slice", () => {
  test("gives at least one entry, then as many as the bytes allow", () => {
    const log = logOf();
    const entries = entriesOf([1, 1, 1, 1]);
    log.append(entries);
    const two = entriesSize(entries.slice(0, 2));
    expect(log.slice(1, 4, 0)).toHaveLength(1);
    expect(log.slice(1, 4, two - 1)).toHaveLength(1);
    expect(log.slice(1, 4, two)).toHaveLength(2);
    expect(log.slice(2, 3, 1 << 20)).toEqual(entries.slice(1, 3));
  });

  test("does not give what is in the store only, and refuses what is not in the log", () => {
    const log = logOf(1, 1);
    log.append(entriesOf([1], 3));
    expect(log.slice(2, 3, 1 << 20)).toBeUndefined();
    expect(log.slice(3, 3, 1 << 20)).toHaveLength(1);
    expect(() => log.slice(3, 4, 1 << 20)).toThrow("lies in the log");
  });
});

test("the bytes of a range are those of its entries", () => {
  const log = logOf(1, 1);
  const entries = entriesOf([1, 1, 1, 1], 3);
  log.append(entries);
  expect(log.bytesOf(4, 5)).toBe(entriesSize(entries.slice(1, 3)));
  expect(log.bytesOf(4, 3)).toBe(0);
  expect(() => log.bytesOf(2, 3)).toThrow("entry 2 is in memory");
});

describe("a truncation during a write", () => {
  test("takes back what the write stood for, and is itself written next", () => {
    const log = logOf(1);
    log.append(entriesOf([1, 1, 1], 2));
    log.takeWrite();
    log.truncateFrom(3);
    log.append(entriesOf([2], 3));
    log.written();
    expect(log.durableIndex).toBe(2);
    expect(log.takeWrite()).toEqual({ truncateFrom: 3, entries: entriesOf([2], 3) });
    log.written();
    expect(log.durableIndex).toBe(3);
  });

  test("of entries that were never submitted leaves nothing to write", () => {
    const log = logOf(1);
    log.append(entriesOf([1], 2));
    log.truncateFrom(2);
    expect(log.dirty).toBe(false);
    expect(log.durableIndex).toBe(1);
  });
});

test("what does not follow is refused: gaps, older terms, two writes at once, completions of nothing", () => {
  const log = logOf(2);
  expect(() => log.append(entriesOf([2], 3))).toThrow("entry 3 follows 1");
  expect(() => log.append(entriesOf([1], 2))).toThrow("term 1 follows term 2");
  expect(() => log.written()).toThrow("a write is under way");
  expect(() => log.truncateFrom(0)).toThrow("reaches into the base");
  log.append(entriesOf([2], 2));
  expect(() => log.compactTo(2)).toThrow("compaction to 2, which is not durable here");
  expect(() => log.resetTo({ index: 5, term: 2 })).toThrow("nothing is being written");
  log.takeWrite();
  expect(() => log.takeWrite()).toThrow("one write at a time");
  expect(() => log.resetTo({ index: 5, term: 2 })).toThrow("nothing is being written");
  log.written();
  log.compactTo(2);
  expect(() => log.compactTo(1)).toThrow("compaction to 1");
  expect(() => log.truncateFrom(2)).toThrow("reaches into the base 2");
});
