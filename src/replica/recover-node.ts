import type { RaftOptions } from "../raft/options.ts";
import { RaftNode } from "../raft/raft-node.ts";
import type { Random } from "../raft/random.ts";
import type { MemberStore } from "../storage/member-store.ts";

/** The consensus core as the store left it. `random` is where its election jitter comes from. */
export function recoverNode(store: MemberStore, options: RaftOptions, random: Random): RaftNode {
  const { hardState, logBase, lastIndex, termRuns, baseConfiguration, configurationEntries, appliedIndex } =
    store.recovered;
  const { memberId } = store.identity;
  const log = { base: logBase, lastIndex, termRuns };
  const recovered = { hardState, log, baseConfiguration, configurationEntries, appliedIndex };
  return new RaftNode(memberId, recovered, options, random);
}
