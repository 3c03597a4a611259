import { RaftKvError } from "../lib/errors.ts";
import type { Entry } from "../raft/entry.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { LogRead } from "../raft/raft-state.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { ReplicaOptions } from "./replica-options.ts";

/** What reading needs. */
export interface LogReaderDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly options: ReplicaOptions;
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

/** Reads entries that are no longer in memory, for followers that are far behind; one read a follower at a time. */
export class LogReader {
  readonly #deps: LogReaderDependencies;

  constructor(deps: LogReaderDependencies) {
    this.#deps = deps;
  }

  /** Starts a read; the core is told when it is done. A read that fails stops the member. */
  read({ peer, from, to }: LogRead): void {
    const { node, store, options, wake, fail } = this.#deps;
    const deliver = (entries: readonly Entry[]) => {
      try {
        node.entriesRead(peer, entries);
        wake();
      } catch (error) {
        fail(error);
      }
    };
    const bytesMax = Math.min(options.readBytesMax, options.raft.appendBytesMax);
    store.readEntries(from, to, bytesMax).then(deliver, (error) => {
      // The range was truncated meanwhile by another leader: nothing is damaged, and nothing is sent.
      if (error instanceof RaftKvError && error.code === "LOG_RANGE") deliver([]);
      else fail(error);
    });
  }
}
