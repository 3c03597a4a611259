import type { MemberConfig } from "../config/member-config.ts";
import type { Logger } from "../lib/logger.ts";

/** Facts of the start-up line; addresses as bound. */
export interface MemberFacts {
  readonly clusterId: string;
  readonly memberId: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
  readonly metricsAddress: string;
  /** Absolute. */
  readonly dataDir: string;
  /** What is done before a write is acknowledged. */
  readonly durability: string;
}

/** A member that serves. */
export interface RunningMember {
  readonly facts: MemberFacts;
  /** Rejects when the member cannot go on; its state is then unknown and nothing may be asked of it any more. */
  readonly fatal: Promise<never>;
  /** Hands leadership over if the member leads others; takes an election timeout at most. Requests are still taken. */
  handOver(): Promise<void>;
  /** How many requests of clients have not been answered. */
  requestsUnderWay(): number;
  /** Turns new requests away and waits for those under way, for the drain timeout at most. */
  drain(): Promise<void>;
  /** Gives up everything that the member holds; idempotent. */
  close(): Promise<void>;
}

/** Starts a member; rejects when an address, the directory or anything else stands in the way. */
export type StartMember = (config: MemberConfig, logger: Logger) => Promise<RunningMember>;
