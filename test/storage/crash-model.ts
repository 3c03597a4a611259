import type { Entry, HardState, Index, Term } from "../../src/raft/entry.ts";
import type { Divergence } from "../../src/storage/divergence.ts";
import type { Installation } from "../../src/storage/installation.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { text } from "./snapshot-fixture.ts";
import { plainEntry } from "./store-fixture.ts";

const everything = { start: Buffer.of(), end: Buffer.alloc(8, 0xff) };

/** All that a store answers, or has to answer, in plain values that compare. */
export interface Content {
  readonly hardState: HardState;
  readonly base: { readonly index: Index; readonly term: Term; readonly configurationIndex: Index };
  readonly appliedIndex: Index;
  /** Those after the base. */
  readonly entries: readonly unknown[];
  /** "key = value", ordered. */
  readonly state: readonly string[];
  readonly installation: { readonly snapshotId: string; readonly rows: readonly string[] } | null;
  /** Members whose directory is known. */
  readonly peers: readonly string[];
  /** How the state was found to be wrong. */
  readonly divergence: Divergence | null;
}

/** What a new store holds. */
export const nothing: Content = {
  hardState: { term: 0, votedFor: null, commitIndex: 0 },
  base: { index: 0, term: 0, configurationIndex: 0 },
  appliedIndex: 0,
  entries: [],
  state: [],
  installation: null,
  peers: [],
  divergence: null,
};

/** Reads everything from a store that was just opened. */
export async function contentOf(store: MemberStore, peers: readonly string[]): Promise<Content> {
  const { hardState, logBase, baseConfiguration, lastIndex, appliedIndex } = store.recovered;
  const entries =
    lastIndex === logBase.index ? [] : await store.readEntries(logBase.index + 1, lastIndex, Number.MAX_SAFE_INTEGER);
  return {
    hardState,
    base: { ...logBase, configurationIndex: baseConfiguration.index },
    appliedIndex,
    entries: entries.map(plainEntry),
    state: await rowsIn(store.iterateState(everything)),
    installation: await installationOf(store.installation),
    peers: peers.filter((id) => store.peerDirectory(id) !== undefined),
    divergence: store.divergence ?? null,
  };
}

async function installationOf(installation: Installation | undefined): Promise<Content["installation"]> {
  if (installation === undefined) return null;
  const rows = await rowsIn(installation.iterate(everything));
  const { source } = installation;
  if (installation.type !== "rows") throw new Error("rows were being installed");
  const { lastKey, rowCount } = installation;
  const last = rows.at(-1)?.split(" = ")[0] ?? null;
  const told = lastKey && Buffer.from(lastKey).toString();
  if (rowCount !== rows.length || told !== last) throw new Error(`${rowCount} rows up to ${told} are told of`);
  return { snapshotId: source.snapshotId, rows };
}

async function rowsIn(rows: AsyncIterable<Parameters<typeof text>[0]>): Promise<string[]> {
  const found: string[] = [];
  for await (const row of rows) found.push(text(row));
  return found;
}

/** The same content with a log that was cut back and added to. */
export function withEntries(content: Content, truncateFrom: Index | undefined, entries: readonly Entry[]): Content {
  const { index } = content.base;
  const kept = truncateFrom === undefined ? content.entries : content.entries.slice(0, truncateFrom - index - 1);
  return { ...content, entries: [...kept, ...entries.map(plainEntry)] };
}

/** The same content with state rows that were put, given as "key = value". */
export function withRows(rows: readonly string[], added: readonly string[]): string[] {
  const byKey = new Map([...rows, ...added].map((row) => [row.split(" = ")[0], row]));
  return [...byKey.values()].sort();
}
