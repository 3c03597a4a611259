import type { MemberId } from "../../src/raft/configuration.ts";
import type { MembershipTarget } from "../../src/raft/configuration-change.ts";
import type { Message } from "../../src/raft/message.ts";

/** How often each thing may happen in a world, altogether. */
export interface Limits {
  /** Elections begun because nothing was heard of a leader. */
  readonly campaigns: number;
  /** Commands proposed. */
  readonly proposals: number;
  /** Crashes, each with a restart from what is durable. */
  readonly crashes: number;
  /** Messages that arrive and stay on their way; {@link Scope.keepsMessages} does without a limit. */
  readonly duplicates: number;
  /** Heartbeat intervals that pass at leaders: every second one is an election timeout. */
  readonly beats: number;
  readonly reads: number;
  readonly transfers: number;
  readonly changes: number;
  /** Times that a member forgets what it has applied. */
  readonly compactions: number;
}

/** A small world, to be explored to its end. */
export interface Scope {
  /** Members that the cluster starts with, named by one letter each, "a" first. */
  readonly voters: string;
  /** Members with an empty disk that may join. */
  readonly newcomers: string;
  /** Highest term that anybody may enter. */
  readonly terms: number;
  readonly limits: Limits;
  /**
   * How elections begin. `preVote`: by a timeout, as they do. `atOnce`: anybody may be told to campaign at any moment, as
   * the target of a transfer is, so that neither PreVote nor stickiness stand in the way: fewer messages, more elections.
   */
  readonly elections: "preVote" | "atOnce";
  /** Whether "a" leads term 1 to begin with, with its no-op known to be committed by everybody. */
  readonly startsLed: boolean;
  /** Whether writes take their time, or are done before anything else happens (crashes before and after them included). */
  readonly slowWrites: boolean;
  /** Whether entries that are committed may wait to be applied. */
  readonly slowApplies: boolean;
  /**
   * Whether messages stay on their way for ever, so that each may arrive any number of times, in any order, or never. That
   * is more than `duplicates` can do, and makes fewer states: whether a message has arrived need not be remembered.
   */
  readonly keepsMessages: boolean;
  /** Messages of these types never arrive. */
  readonly lost: readonly Message["type"][];
  /** What a change of membership may be towards. */
  readonly targets: readonly MembershipTarget[];
}

/** Three voters to whom nothing happens. */
export const quietScope: Scope = {
  voters: "abc",
  newcomers: "",
  terms: 2,
  limits: {
    campaigns: 0,
    proposals: 0,
    crashes: 0,
    duplicates: 0,
    beats: 0,
    reads: 0,
    transfers: 0,
    changes: 0,
    compactions: 0,
  },
  elections: "atOnce",
  startsLed: false,
  slowWrites: true,
  slowApplies: false,
  keepsMessages: false,
  lost: [],
  targets: [],
};

/** Ids of everybody in the world, in the order of their letters. */
export function idsOf(scope: Scope): MemberId[] {
  return (scope.voters + scope.newcomers).split("");
}
