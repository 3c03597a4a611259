import { RaftKvError } from "../lib/errors.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { StateSnapshot } from "../storage/state-snapshot.ts";

/** The state at one index of the log, whatever is applied meanwhile; to be closed. A row that cannot be read stops the member. */
export interface StateAt {
  readonly base: LogBase;
  readonly snapshot: StateSnapshot;
}

/** What opening the state needs. */
export interface StateAtDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  /** Called when the state cannot be opened, or a row of it be read: the member must stop. */
  readonly fail: (error: unknown) => void;
}

/** Opens the state as it is durable now; not while it is being replaced by a snapshot. */
export function openStateAt({ node, store, fail }: StateAtDependencies): StateAt {
  try {
    const snapshot = store.openSnapshot();
    return { base: node.logBaseAt(snapshot.appliedIndex), snapshot: failing(snapshot, fail) };
  } catch (error) {
    fail(error);
    throw error;
  }
}

/** The same rows: `fail` learns when one cannot be read, since whoever reads them is outside the loop. */
function failing(snapshot: StateSnapshot, fail: (error: unknown) => void): StateSnapshot {
  const told = (error: unknown): unknown => {
    const closed = error instanceof RaftKvError && error.code === "STORE_CLOSED";
    if (!closed) fail(error);
    return error;
  };
  return {
    appliedIndex: snapshot.appliedIndex,
    get(key) {
      try {
        return snapshot.get(key);
      } catch (error) {
        throw told(error);
      }
    },
    async *rows(after, pageBytes) {
      try {
        yield* snapshot.rows(after, pageBytes);
      } catch (error) {
        throw told(error);
      }
    },
    close: () => snapshot.close(),
  };
}
