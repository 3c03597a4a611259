import { readIdentity } from "../../src/storage/meta-rows.ts";
import { metaKeys, peerRange } from "../../src/storage/row-keys.ts";
import { check } from "./broken-rule.ts";
import type { DiskRows } from "./disk-rows.ts";

/** What a member has promised, and what is its own, is in the rows that it adopts as it was in those before. */
export function checkAdoption(before: DiskRows, after: DiskRows): void {
  const rule = "an adoption takes nothing away";
  const [was, is] = [before.hardState, after.hardState];
  const vote = is.term > was.term || (is.term === was.term && is.votedFor === was.votedFor);
  check(vote, rule, () => `term ${was.term} for ${was.votedFor} becomes ${is.term} for ${is.votedFor}`);
  check(is.commitIndex >= was.commitIndex, rule, () => `commit index ${was.commitIndex} becomes ${is.commitIndex}`);
  const [applied, applies] = [before.appliedIndex, after.appliedIndex];
  check(applies > applied, rule, () => `applied index ${applied} becomes ${applies}`);
  check(after.writes > before.writes, rule, () => `write ${before.writes} is followed by ${after.writes}`);
  for (const position of before.log.positions()) {
    check(after.log.holds(position), rule, () => `entry ${position.index} of term ${position.term} is gone`);
  }
  for (const position of after.log.positions()) {
    check(before.log.holds(position), rule, () => `entry ${position.index} is another member's`);
  }
  check(ownRows(after) === ownRows(before), rule, () => `${ownRows(before)} becomes ${ownRows(after)}`);
  check(after.rows.get(metaKeys.installation) === undefined, rule, () => "an installation of the sender's goes on");
}

/** Rows that are one member's alone, but for log and hard state. */
function ownRows({ rows }: DiskRows): string {
  const { memberId, dataDirectoryId } = readIdentity(rows.get(metaKeys.identity) ?? Buffer.of());
  const peers = rows.within(peerRange).map((row) => row.map((part) => Buffer.from(part).toString("hex")).join("="));
  const divergence = Buffer.from(rows.get(metaKeys.divergence) ?? []).toString("hex");
  return [memberId, dataDirectoryId, `peers ${peers.join(" ")}`, `divergence ${divergence}`].join(", ");
}
