import { assert } from "../../src/lib/assert.ts";
import type { Index, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { RowsInstallation } from "../../src/storage/installation.ts";
import type { MemberStore, StoreBatch } from "../../src/storage/member-store.ts";
import { type Content, nothing, withEntries, withRows } from "./crash-model.ts";
import { rowOf } from "./snapshot-fixture.ts";
import { batch, command, commands, configuration, noop, put, term } from "./store-fixture.ts";

/** One call of the store, and what it comes to. */
export interface Part {
  readonly run: (store: MemberStore) => Promise<void>;
  readonly apply: (before: Content) => Content;
  /** What a crash may leave that is neither: only where a removal takes several batches. */
  readonly between?: (before: Content) => readonly Content[];
}

/** Calls that run at the same time; none of them stands for closing the store and opening it again. */
export interface Step {
  readonly name: string;
  readonly parts: readonly Part[];
}

/** Records that one batch of the scenario's stores removes at most. */
export const truncationStep = 3;

/** Bytes of rows after which installations of the scenario's stores write down how far they are: with some of the batches. */
export const installationMarkBytes = 14;

const reopen: Step = { name: "close and open", parts: [] };

function step(name: string, ...parts: Part[]): Step {
  return { name, parts };
}

function write(given: Partial<StoreBatch> & { readonly rows?: readonly string[] }): Part {
  const { rows = [], ...parts } = given;
  const stateChanges = rows.map((row) => put(...pairIn(row)));
  const { hardState, truncateFrom, entries = [], appliedIndex } = parts;
  const changed = (content: Content): Content => ({ ...content, hardState: hardState ?? content.hardState });
  return {
    run: (store) => store.write(batch({ ...parts, stateChanges })),
    apply: (before) => ({
      ...withEntries(changed(before), truncateFrom, entries),
      appliedIndex: appliedIndex ?? before.appliedIndex,
      state: withRows(before.state, rows),
    }),
    between: (before) => {
      if (truncateFrom === undefined) return [];
      // The commit index comes with the entries that it covers.
      const { commitIndex } = before.hardState;
      const after = changed(before);
      return cutDown({ ...after, hardState: { ...after.hardState, commitIndex } }, truncateFrom);
    },
  };
}

/** What a truncation in several batches passes through. */
function cutDown(content: Content, from: Index): Content[] {
  const last = content.base.index + content.entries.length;
  return Array.from({ length: Math.max(0, last - from) }, (_, at) => withEntries(content, from + at, []));
}

function compact(index: Index, termOfIt: Term, configurationIndex: Index): Part {
  return {
    run: (store) => store.compact(baseAt(index, termOfIt, configurationIndex)),
    apply: (before) => ({
      ...before,
      base: { index, term: termOfIt, configurationIndex },
      entries: before.entries.slice(index - before.base.index),
    }),
  };
}

function baseAt(index: Index, termOfIt: Term, configurationIndex: Index): LogBase {
  const { configuration: value } = configuration(configurationIndex, 1);
  return { index, term: termOfIt, configuration: { index: configurationIndex, configuration: value } };
}

function remember(peer: string): Part {
  return {
    run: (store) => store.rememberPeerDirectory(peer, "e".repeat(32)),
    apply: (before) => ({ ...before, peers: [...before.peers, peer].sort() }),
  };
}

function begin(snapshotId: string, index: Index, termOfIt: Term): Part {
  const source = { snapshotId, from: "00000000000000a2", base: baseAt(index, termOfIt, 3) };
  return {
    run: async (store) => void (await store.beginInstallation(source)),
    apply: (before) => ({ ...before, installation: { snapshotId, rows: [] } }),
  };
}

function add(...rows: string[]): Part {
  return {
    run: (store) => under(store).addRows(rows.map((row) => rowOf(...pairIn(row)))),
    apply: (before) => {
      const { installation } = before;
      assert(installation !== null, "rows come after the beginning");
      return { ...before, installation: { ...installation, rows: [...installation.rows, ...rows] } };
    },
  };
}

/** `keeps`: whether the log has the snapshot's entry. */
function finish(index: Index, termOfIt: Term, keeps: boolean): Part {
  return {
    run: (store) => under(store).finish(() => {}),
    apply: (before) => ({
      ...before,
      hardState: { ...before.hardState, commitIndex: index },
      base: { index, term: termOfIt, configurationIndex: 3 },
      appliedIndex: index,
      entries: keeps ? before.entries.slice(index - before.base.index) : [],
      state: before.installation?.rows ?? [],
      installation: null,
    }),
    between: (before) => (keeps ? [] : cutDown(before, index)),
  };
}

const abandon: Part = {
  run: (store) => under(store).abandon(),
  apply: (before) => ({ ...before, installation: null }),
};

/** The state is found to be wrong at an index. */
function markDiverged(index: Index): Part {
  const divergence = { index, hash: "a".repeat(64), majorityHash: "b".repeat(64) };
  return {
    run: (store) => store.markDiverged(divergence),
    apply: (before) => ({ ...before, divergence }),
  };
}

function under({ installation }: MemberStore): RowsInstallation {
  assert(installation?.type === "rows", "an installation in rows is under way");
  return installation;
}

function pairIn(row: string): [key: string, value: string] {
  const [key = "", value = ""] = row.split(" = ");
  return [key, value];
}

/** Members that the scenario's stores meet. */
export const peers = ["00000000000000a2", "00000000000000a3"];

/** Every path of a store, in an order in which a member could take them. */
export const scenario: readonly Step[] = [
  step("append", write({ hardState: term(1), entries: [noop(1, 1), command(2, 1), configuration(3, 1)] })),
  step("vote", write({ hardState: { term: 2, votedFor: "00000000000000a2", commitIndex: 2 } })),
  step("append and apply", write({ entries: commands(4, 9, 2), rows: ["a = 1", "b = 1"], appliedIndex: 2 })),
  step("apply, and meet a peer", write({ rows: ["a = 2", "c = 1"], appliedIndex: 3 }), remember("00000000000000a2")),
  step("truncate", write({ hardState: term(3, 4), truncateFrom: 8, entries: [command(8, 3), command(9, 3)] })),
  step("append much", write({ entries: commands(10, 17, 3) })),
  step("truncate much", write({ hardState: term(4, 5), truncateFrom: 8, entries: [command(8, 4)] })),
  step("apply", write({ hardState: term(4, 8), rows: ["b = 2", "d = 1"], appliedIndex: 7 })),
  step("compact, and append", compact(4, 2, 3), write({ entries: commands(9, 12, 4) })),
  step("compact while records are removed", compact(7, 2, 3)),
  step("append while records are removed", write({ entries: [command(13, 4)] })),
  reopen,
  step("begin to install", begin("first", 30, 4), write({ hardState: term(5, 8) })),
  step("add rows", add("a = first", "b = first")),
  step("add rows, and append", add("c = first"), write({ entries: [command(14, 5)] })),
  step("begin with another", begin("second", 40, 5)),
  step("add rows of the other", add("a = second", "b = second", "c = second")),
  step("add rows, and compact", add("d = second"), write({ hardState: term(5, 13), appliedIndex: 12 })),
  reopen,
  step("add rows after a restart", add("e = second", "f = second"), compact(10, 4, 3)),
  step("flip, and give up the log", finish(40, 5, false)),
  step("append after the snapshot", write({ hardState: term(6, 41), entries: [noop(41, 6), ...commands(42, 47, 6)] })),
  step("apply after the snapshot", write({ rows: ["a = 3", "g = 1"], appliedIndex: 41 }), remember("00000000000000a3")),
  step("compact after the snapshot", compact(41, 6, 3)),
  step("begin with a snapshot that contradicts the log", begin("third", 43, 7), write({ hardState: term(7, 41) })),
  step("add its rows", add("a = third", "b = third")),
  step("flip, and truncate what contradicts it", finish(43, 7, false)),
  step("append where that was", write({ entries: commands(44, 50, 7) })),
  step("begin with a snapshot that the log agrees with", begin("fourth", 47, 7)),
  step("add rows, and append more", add("a = fourth", "c = fourth"), write({ entries: [command(51, 7)] })),
  step("flip, and keep the log", finish(47, 7, true)),
  step("append to what was kept", write({ entries: [command(52, 7)], rows: ["h = 1"], appliedIndex: 48 })),
  step("find the state wrong, and append", markDiverged(48), write({ entries: [command(53, 7)] })),
  step("begin with a snapshot that goes away", begin("fifth", 90, 7)),
  step("add rows that go away", add("a = fifth", "b = fifth", "c = fifth")),
  step("give it up, and compact", abandon, compact(48, 7, 3)),
  step("truncate to the base", write({ hardState: term(8, 48), truncateFrom: 49, entries: [noop(49, 8)] })),
  reopen,
];

/** What the scenario comes to before each step, and at its end. */
export const contents: readonly Content[] = contentsOf(scenario);

function contentsOf(steps: readonly Step[]): Content[] {
  const found = [nothing];
  let content = nothing;
  for (const { parts } of steps) {
    for (const part of parts) content = part.apply(content);
    found.push(content);
  }
  return found;
}

/** A content that a crash may leave, and the parts that are in it. */
export type Outcome = readonly [content: Content, done: ReadonlySet<Part>];

/** Every content that a crash may leave: each part that has not resolved is there or not. */
export function outcomes(before: Content, parts: readonly Part[], resolved: ReadonlySet<Part>): Outcome[] {
  return parts.reduce<Outcome[]>(
    (found, part) =>
      found.flatMap(([content, done]): Outcome[] => {
        const landed: Outcome = [part.apply(content), new Set([...done, part])];
        if (resolved.has(part)) return [landed];
        const between = part.between?.(content) ?? [];
        return [[content, done], landed, ...between.map((each): Outcome => [each, done])];
      }),
    [[before, new Set()]],
  );
}

/** The same value as it comes out of JSON, so that a Buffer equals an array of bytes. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
