import type { Index } from "../raft/entry.ts";
import type { StateMachine } from "./state-machine.ts";

/** What the state of this member came to at a checkpoint. */
export interface StateHash {
  /** Of the checkpoint: the state has the effects of every entry up to it, and of no other. */
  readonly index: Index;
  /** Revision of the state; 0 where the state machine knows of none. */
  readonly revision: number;
  /** Version of the state machine, see {@link StateMachine.version}. Hashes of different versions say nothing about each other. */
  readonly stateVersion: number;
  /** SHA-256 over all rows in the order of their keys, 64 hexadecimal digits. */
  readonly hash: string;
  readonly rows: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
}
