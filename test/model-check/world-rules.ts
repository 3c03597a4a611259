import type { Configuration, MemberId } from "../../src/raft/configuration.ts";
import type { Index } from "../../src/raft/entry.ts";
import { isQuorum } from "../raft/configuration-checks.ts";
import { rule } from "../raft/rule.ts";
import type { History } from "./history.ts";
import { configurationIn, entryIn, entryText, hasIn, type LogView, lastIndexIn } from "./log-view.ts";
import type { MemberState } from "./member-states.ts";

/** Whether an entry is on the disks of a quorum. */
export function isDurable(
  configuration: Configuration,
  index: Index,
  term: number,
  members: readonly MemberState[],
): boolean {
  return isQuorum(configuration, (id) =>
    members.some((each) => each.id === id && hasIn(each.durable.log, index, term)),
  );
}

/** Leader completeness: who leads has what was committed in terms before (Raft paper, section 5.4.3). */
export function checkComplete({ committed }: History, { id, role, term, log }: MemberState): void {
  if (role !== "leader") return;
  for (const { entry, inTerm } of committed) {
    rule(
      inTerm >= term || hasIn(log, entry.index, entry.term),
      () => `leader completeness: ${id} leads term ${term} without entry ${entry.index} of term ${entry.term}`,
    );
  }
}

/** State machine safety: what a member takes for committed, or has in a snapshot, is what was committed. */
export function checkCommitted({ committed }: History, { id, commitIndex, log }: MemberState): void {
  rule(commitIndex <= committed.length, () => `${id} commits entry ${commitIndex}, which no leader has committed`);
  const baseIndex = log.base?.index ?? 0;
  for (const { entry } of committed.slice(baseIndex, commitIndex)) {
    const own = entryIn(log, entry.index);
    rule(own !== undefined, () => `${id} commits entry ${entry.index}, which it does not have`);
    rule(
      entryText(own) === entryText(entry),
      () => `state machine safety: ${id} commits ${entryText(own)} where ${entryText(entry)} is committed`,
    );
  }
  checkBase({ committed }, id, log);
}

/** A snapshot has the term and the configuration that are committed at its index. */
function checkBase({ committed }: Pick<History, "committed">, id: MemberId, { base }: LogView): void {
  if (base === null) return;
  const entries = committed.slice(0, base.index).map(({ entry }) => entry);
  rule(entries.at(-1)?.term === base.term, () => `${id} has a snapshot at ${base.index} of another term`);
  const configuration = configurationIn({ base: null, entries });
  rule(
    configuration === undefined ||
      JSON.stringify(configuration.configuration) === JSON.stringify(base.configuration.configuration),
    () => `${id} has a snapshot at ${base.index} with another configuration than was committed there`,
  );
}

/** What is committed stays on the disks of a quorum; looked at as long as nobody knows of a change of membership. */
export function checkKept({ committed }: History, members: readonly MemberState[]): void {
  const configuration = members[0]?.configuration;
  if (configuration === undefined || members.some(({ log }) => configurationIn(log)?.index)) return;
  for (const { entry } of committed) {
    rule(
      isDurable(configuration, entry.index, entry.term, members),
      () => `the committed entry ${entry.index} is not on the disks of a quorum any more`,
    );
  }
}

/** At most one configuration of a log is not committed. */
export function checkConfigurations({ committed }: History, { id, log }: MemberState): void {
  const open = log.entries.filter(({ kind, index }) => kind === "configuration" && index > committed.length);
  rule(open.length <= 1, () => `${id} has ${open.length} configurations that are not committed`);
}

/** Log matching: logs that share an entry share everything before it (Raft paper, section 5.3). */
export function checkMatching(one: MemberState, other: MemberState): void {
  const baseIndex = Math.max(one.log.base?.index ?? 0, other.log.base?.index ?? 0);
  let index = Math.min(lastIndexIn(one.log), lastIndexIn(other.log));
  while (index > baseIndex && entryIn(one.log, index)?.term !== entryIn(other.log, index)?.term) index--;
  for (; index > baseIndex; index--) {
    const [entry, counterpart] = [entryIn(one.log, index), entryIn(other.log, index)];
    rule(
      entry !== undefined && counterpart !== undefined && entryText(entry) === entryText(counterpart),
      () => `log matching: ${one.id} and ${other.id} differ at entry ${index}, and agree after it`,
    );
  }
}

/** What a leader knows others to have, they have durably. Those of a later term may have dropped it: the leader is deposed. */
export function checkMatches(leader: MemberState, members: readonly MemberState[]): void {
  for (const { id, durable } of members) {
    const index = leader.matchIndexes.get(id) ?? 0;
    if (index === 0 || durable.hardState.term > leader.term) continue;
    const entry = entryIn(leader.log, index);
    rule(
      entry === undefined || hasIn(durable.log, index, entry.term),
      () => `${leader.id} believes that ${id} has entry ${index}`,
    );
  }
}
