import type { MemberId } from "../../src/raft/configuration.ts";
import type { CoreView, Replica } from "../../src/replica/replica.ts";
import type { PeerProgress, ReplicaStatus } from "../../src/replica/replica-status.ts";

/** What the rules look at of a member: less than a status, which is too dear to be made after every event. */
export interface MemberView
  extends Pick<
    ReplicaStatus,
    | "term"
    | "commitIndex"
    | "appliedIndex"
    | "firstIndex"
    | "lastIndex"
    | "configuration"
    | "configurationIndex"
    | "pendingProposals"
  > {
  readonly role: CoreView["role"];
  readonly peers: readonly Pick<PeerProgress, "memberId" | "matchIndex">[];
}

/** What a view is made from. */
export interface ViewedReplica extends Pick<Replica, "appliedIndex" | "pendingProposals"> {
  readonly core: Omit<CoreView, "leaderId" | "progress"> & {
    readonly progress: ReadonlyMap<MemberId, Pick<PeerProgress, "matchIndex">>;
  };
}

/** What the member is like now. */
export function viewOf({ core, appliedIndex, pendingProposals }: ViewedReplica): MemberView {
  const { role, term, commitIndex, firstIndex, lastIndex, configurationAt, progress } = core;
  const { configuration, index: configurationIndex } = configurationAt;
  const peers: { memberId: string; matchIndex: number }[] = [];
  for (const [memberId, { matchIndex }] of progress) peers.push({ memberId, matchIndex });
  const indexes = { commitIndex, appliedIndex, firstIndex, lastIndex, configurationIndex };
  return { role, term, ...indexes, configuration, pendingProposals, peers };
}

/** Whether nothing has changed since `before`: most events change nothing. */
export function isStill(before: MemberView, { core, appliedIndex, pendingProposals }: ViewedReplica): boolean {
  return (
    before.term === core.term &&
    before.commitIndex === core.commitIndex &&
    before.appliedIndex === appliedIndex &&
    before.role === core.role &&
    before.configurationIndex === core.configurationAt.index &&
    before.firstIndex === core.firstIndex &&
    before.lastIndex === core.lastIndex &&
    before.pendingProposals === pendingProposals &&
    before.peers.every(({ memberId, matchIndex }) => core.progress.get(memberId)?.matchIndex === matchIndex)
  );
}
