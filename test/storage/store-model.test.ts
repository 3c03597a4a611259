import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry, HardState } from "../../src/raft/entry.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import type { RowChange } from "../../src/storage/storage-engine.ts";
import {
  batch,
  bootstrapConfiguration,
  command,
  configuration,
  MemoryWatermarkFile,
  newDirectory,
  noop,
  openIn,
  openOver,
  plainEntry,
  put,
} from "./store-fixture.ts";

/** What a step is drawn from; numbers are taken modulo what is possible when its turn comes. */
const step = fc.record({
  termStep: fc.constantFrom(0, 0, 0, 1, 3),
  vote: fc.constantFrom(null, "a", "b"),
  truncate: fc.option(fc.nat(20), { freq: 3, nil: undefined }),
  kinds: fc.array(fc.constantFrom("command", "noop", "configuration"), { maxLength: 8 }),
  commit: fc.nat(3),
  apply: fc.nat(3),
  rows: fc.array(fc.record({ key: fc.constantFrom("", "a", "ab", "b"), value: fc.option(fc.string()) }), {
    maxLength: 3,
  }),
  after: fc.constantFrom("go on", "go on", "go on", "reopen", "crash"),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The same store as plain values. */
class Model {
  hardState: HardState = { term: 0, votedFor: null, commitIndex: 0 };
  log: Entry[] = [];
  state = new Map<string, string>();
  appliedIndex = 0;

  /** Turns a step into a batch that keeps the rules, and applies it. */
  apply(drawn: Step, at: number) {
    const { hardState: before } = this;
    const term = before.term + Math.max(drawn.termStep, before.term === 0 ? 1 : 0);
    const fixed = Math.max(before.commitIndex, this.appliedIndex);
    const truncateFrom = drawn.truncate === undefined ? undefined : fixed + 1 + drawn.truncate;
    if (truncateFrom !== undefined) this.log.length = Math.min(this.log.length, truncateFrom - 1);
    const entries = drawn.kinds.map((kind, offset) => this.#entry(kind, this.log.length + 1 + offset, term, at));
    this.log.push(...entries);
    const votedFor = term === before.term && before.votedFor !== null ? before.votedFor : drawn.vote;
    const commitIndex = Math.min(this.log.length, before.commitIndex + drawn.commit);
    this.hardState = { term, votedFor, commitIndex };
    this.appliedIndex = Math.min(commitIndex, this.appliedIndex + drawn.apply);
    const stateChanges = drawn.rows.map(({ key, value }) => this.#change(key, value));
    const truncation = truncateFrom === undefined ? {} : { truncateFrom };
    return batch({ hardState: this.hardState, ...truncation, entries, stateChanges, appliedIndex: this.appliedIndex });
  }

  #entry(kind: string, index: number, term: number, at: number): Entry {
    if (kind === "command") return command(index, term, `step ${at}`);
    return kind === "noop" ? noop(index, term) : configuration(index, term);
  }

  #change(key: string, value: string | null): RowChange {
    if (value !== null) this.state.set(key, Buffer.from(value).toString("latin1"));
    else this.state.delete(key);
    return value === null ? { type: "delete", key: Buffer.from(key) } : put(key, value);
  }
}

async function expectSame(store: MemberStore, model: Model): Promise<void> {
  const { log } = model;
  const entries = log.length === 0 ? [] : await store.readEntries(1, log.length, Number.MAX_SAFE_INTEGER);
  expect(entries.map(plainEntry)).toEqual(log.map(plainEntry));
  const rows = new Map<string, string>();
  for await (const [key, value] of store.iterateState({ start: Buffer.of(), end: Buffer.of(0xff) })) {
    rows.set(Buffer.from(key).toString(), Buffer.from(value).toString("latin1"));
  }
  expect(rows).toEqual(new Map([...model.state].sort(([a], [b]) => (a < b ? -1 : 1))));
}

async function expectRecovered(store: MemberStore, model: Model, sizeBytes: number): Promise<void> {
  const { log } = model;
  expect(store.recovered).toEqual({
    hardState: model.hardState,
    logBase: { index: 0, term: 0 },
    baseConfiguration: { index: 0, configuration: bootstrapConfiguration },
    lastIndex: log.length,
    termRuns: log
      .filter((entry, at) => entry.term !== log[at - 1]?.term)
      .map(({ index, term }) => ({ firstIndex: index, term })),
    configurationEntries: log.filter(({ kind }) => kind === "configuration"),
    appliedIndex: model.appliedIndex,
    logSizeBytes: sizeBytes,
  });
}

/** Runs steps against store and model; `open` opens the store again, over what the one before left. */
async function run(steps: readonly Step[], open: () => Promise<MemberStore>): Promise<void> {
  const model = new Model();
  let store = await open();
  for (const [at, drawn] of steps.entries()) {
    await store.write(model.apply(drawn, at));
    await expectSame(store, model);
    if (drawn.after === "go on") continue;
    const sizeBytes = store.logSizeBytes;
    if (drawn.after === "reopen") await store.close();
    store = await open();
    await expectRecovered(store, model, sizeBytes);
    await expectSame(store, model);
  }
  await store.close();
}

describe("member store against a model", () => {
  test("any sequence of batches, reopens and crashes over memory", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const rows = new MemoryRows();
        const watermarkFile = new MemoryWatermarkFile();
        await run(steps, () => openOver(rows, { watermarkFile, startTimer: () => () => {}, truncationStep: 5 }));
      }),
      { numRuns: 100 },
    );
  });

  test("any sequence of batches and reopens over LevelDB", { timeout: 60_000 }, async () => {
    const kept = fc.array(
      step.map((drawn) => ({ ...drawn, after: drawn.after === "crash" ? ("reopen" as const) : drawn.after })),
      { minLength: 5, maxLength: 15 },
    );
    await fc.assert(
      fc.asyncProperty(kept, async (steps) => {
        const directory = await newDirectory();
        await run(steps, () => openIn(directory));
      }),
      { numRuns: 8 },
    );
  });
});
