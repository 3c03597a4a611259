import type { MemberId } from "../../src/raft/configuration.ts";
import type { Inflights } from "../../src/raft/inflights.ts";
import type { Progress } from "../../src/raft/progress.ts";
import type { CoreView, Replica } from "../../src/replica/replica.ts";
import type { ReplicaStatus } from "../../src/replica/replica-status.ts";

/** A leader's view of a peer, as far as the rules look at it. */
export interface PeerView extends Pick<Progress, "matchIndex"> {
  readonly inflights: Pick<Inflights, "bytes" | "count" | "full">;
}

/** What the rules look at of a member: less than a status, which is too dear to be made after every event. */
export interface MemberView
  extends Pick<
    ReplicaStatus,
    "term" | "commitIndex" | "appliedIndex" | "firstIndex" | "lastIndex" | "configuration" | "configurationIndex"
  > {
  readonly role: CoreView["role"];
  /** What a leader knew to be durable at its peers. */
  readonly matches: ReadonlyMap<MemberId, number>;
}

/** What a view is made from. */
export interface ViewedReplica extends Pick<Replica, "appliedIndex" | "pendingProposals" | "pendingReads"> {
  readonly core: Omit<CoreView, "leaderId" | "progress"> & { readonly progress: ReadonlyMap<MemberId, PeerView> };
}

/** What the member is like now. */
export function viewOf({ core, appliedIndex }: ViewedReplica): MemberView {
  const { role, term, commitIndex, firstIndex, lastIndex, configurationAt, progress } = core;
  const { configuration, index: configurationIndex } = configurationAt;
  const matches = new Map<MemberId, number>();
  for (const [memberId, { matchIndex }] of progress) matches.set(memberId, matchIndex);
  return {
    role,
    term,
    commitIndex,
    appliedIndex,
    firstIndex,
    lastIndex,
    configurationIndex,
    configuration,
    matches,
  };
}

/** Whether nothing has changed since `before`: most events change nothing. */
export function isStill(before: MemberView, { core, appliedIndex }: ViewedReplica): boolean {
  if (
    before.term !== core.term ||
    before.commitIndex !== core.commitIndex ||
    before.appliedIndex !== appliedIndex ||
    before.role !== core.role ||
    before.configurationIndex !== core.configurationAt.index ||
    before.firstIndex !== core.firstIndex ||
    before.lastIndex !== core.lastIndex
  ) {
    return false;
  }
  for (const [memberId, matchIndex] of before.matches) {
    if (core.progress.get(memberId)?.matchIndex !== matchIndex) return false;
  }
  return true;
}
