import type { MemberId } from "../raft/configuration.ts";

/** Who a server answers as; fixed for its life. */
export interface ServerIdentity {
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
  /** 16 hexadecimal digits. */
  readonly memberId: MemberId;
  /** Stable name. */
  readonly name: string;
  /** host:port that is told to clients. */
  readonly clientAddress: string;
  /** Software version. */
  readonly version: string;
  /** Source revision that the software was built from; empty when unknown. */
  readonly buildRevision: string;
}
