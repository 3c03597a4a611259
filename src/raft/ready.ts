import type { Entry, HardState, Index, Term } from "./entry.ts";
import type { Message } from "./message.ts";
import type { LogRead, ReadState, SnapshotToFetch } from "./raft-state.ts";

/** What must become durable, in one piece, and what may leave only then. */
export interface Write {
  readonly hardState: HardState;
  readonly truncateFrom: Index | undefined;
  readonly entries: readonly Entry[];
  /** Send when the write is done. */
  readonly messages: readonly Message[];
}

/** What a turn came to. Each thing is told once. */
export interface Ready {
  /** May leave now. */
  readonly messages: readonly Message[];
  /** To be written; answered by {@link RaftNode.written}. `undefined` when there is nothing to write or a write is under way. */
  readonly write: Write | undefined;
  /** Entries to apply, both included; answered by {@link RaftNode.applied}. `undefined` when there are none, or some are under way. */
  readonly apply: { readonly first: Index; readonly last: Index } | undefined;
  readonly reads: readonly ReadState[];
  /** Answered by {@link RaftNode.entriesRead}. */
  readonly logReads: readonly LogRead[];
  /** To be fetched, then answered by {@link RaftNode.beginInstall}; told again and again until then. */
  readonly fetchSnapshot: SnapshotToFetch | undefined;
}

/** What became of a proposal: where its entries stand, or why there are none. */
export type ProposeResult =
  | { readonly type: "appended"; readonly firstIndex: Index; readonly term: Term }
  | { readonly type: "refused"; readonly reason: "NOT_LEADER" | "OVERLOADED" | "TRANSFER_IN_PROGRESS" };
