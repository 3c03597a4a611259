import { allVoters, type Configuration, type MemberId } from "../raft/configuration.ts";
import { hasQuorum } from "../raft/quorum.ts";

/** What the hashes of one checkpoint come to for the member that asks. */
export type HashVerdict =
  /** Too few hashes are known. */
  | { readonly type: "pending" }
  /** A quorum of the voters has the member's own hash. */
  | { readonly type: "agreed" }
  /** A quorum of the voters has another one: this member's state is wrong. */
  | { readonly type: "outvoted"; readonly majority: string }
  /** Every voter has told, and no hash has a quorum: nobody can say which state is right. */
  | { readonly type: "split" };

/**
 * Compares the hashes that members of `configuration` have at one and the same index (those of different indexes must differ,
 * and say nothing). Only voters count; in a joint configuration a majority of both halves is one.
 */
export function judgeHashes(
  configuration: Configuration,
  own: string,
  hashes: ReadonlyMap<MemberId, string>,
): HashVerdict {
  for (const hash of new Set(hashes.values())) {
    if (!hasQuorum(configuration, (id) => hashes.get(id) === hash)) continue;
    return hash === own ? { type: "agreed" } : { type: "outvoted", majority: hash };
  }
  const voters = allVoters(configuration);
  return { type: voters.length > 0 && voters.every((id) => hashes.has(id)) ? "split" : "pending" };
}
