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
  /** Everybody who counts has told, and no hash has a quorum: nobody can say which state is right. */
  | { readonly type: "split" };

/**
 * Compares the hashes that members of `configuration` have at one and the same index (those of different indexes must differ,
 * and say nothing). Only voters count; in a joint configuration a majority of both halves is one. A voter that is the only one is
 * no majority against its learners: one member's word stands against another's then, unless a learner has the voter's hash too.
 */
export function judgeHashes(
  configuration: Configuration,
  own: string,
  hashes: ReadonlyMap<MemberId, string>,
): HashVerdict {
  for (const hash of new Set(hashes.values())) {
    if (!hasQuorum(configuration, (id) => hashes.get(id) === hash)) continue;
    if (!isConfirmed(configuration, hash, hashes)) continue;
    return hash === own ? { type: "agreed" } : { type: "outvoted", majority: hash };
  }
  const due = judges(configuration);
  return { type: due.length > 0 && due.every((id) => hashes.has(id)) ? "split" : "pending" };
}

/** Whether somebody else has the hash as well, where there is anybody else. */
function isConfirmed(configuration: Configuration, hash: string, hashes: ReadonlyMap<MemberId, string>): boolean {
  const due = judges(configuration);
  return due.length < 2 || due.filter((id) => hashes.get(id) === hash).length > 1;
}

/** Those whose hashes settle it: the voters, or the only one and its learners. */
function judges(configuration: Configuration): readonly MemberId[] {
  const voters = allVoters(configuration);
  return voters.length === 1 ? [...voters, ...configuration.learners] : voters;
}
