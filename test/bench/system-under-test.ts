import type { SystemName } from "./options.ts";

/** A prebuilt unary request. */
export interface Request {
  readonly path: string;
  readonly message: Uint8Array;
}

/** Three running members of one system, with what the benchmark has to know of its interface. */
export interface SystemUnderTest {
  readonly name: SystemName;
  readonly version: string;
  /** host:port of each member, followers first, the leader last (at the time of the start). */
  readonly addresses: readonly string[];
  readonly pids: readonly number[];
  putRequest(key: string, value: Uint8Array): Request;
  /** A linearizable read of one key. */
  getRequest(key: string): Request;
  /** The store's revision, which every write raises by one; a linearizable read. */
  revision(): Promise<number>;
  /** Ends the processes and removes their data. */
  stop(): Promise<void>;
}
