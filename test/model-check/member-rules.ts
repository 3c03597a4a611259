import type { Configuration } from "../../src/raft/configuration.ts";
import type { Message } from "../../src/raft/message.ts";
import { imageLastIndex, imageTermAt } from "../raft/durable-image.ts";
import { rule } from "../raft/rule.ts";
import type { Outcome, SteppedMember } from "../raft/stepped-member.ts";
import { configurationIn, entryIn, entryText, viewOf } from "./log-view.ts";
import type { MemberState } from "./member-states.ts";

/** Rules that a step of one member keeps, whatever the others do. `founding` is in force before the first one of its log. */
export function checkStep(before: MemberState, member: SteppedMember, outcome: Outcome, founding: Configuration): void {
  const { id, node, image } = member;
  const durable = before.durable.hardState;
  rule(image.hardState.term >= durable.term, () => `the durable term of ${id} ran back`);
  rule(
    image.hardState.term > durable.term || durable.votedFor === null || image.hardState.votedFor === durable.votedFor,
    () => `${id} changed its durable vote in term ${durable.term}`,
  );
  rule(node.commitIndex <= node.lastIndex, () => `${id} committed beyond its log`);
  rule(node.appliedIndex <= node.commitIndex, () => `${id} applied beyond its commit index`);
  rule(
    imageTermAt(image, node.durableIndex) === node.termAt(node.durableIndex),
    () => `${id} takes entry ${node.durableIndex} to be durable`,
  );
  for (const { asLeader, to, term } of outcome.commits) {
    rule(!asLeader || node.termAt(to) === term, () => `${id} committed entry ${to} of an earlier term by counting`);
  }
  const { index, configuration } = configurationIn(viewOf(member)) ?? { index: 0, configuration: founding };
  rule(
    JSON.stringify(node.configuration) === JSON.stringify(configuration),
    () => `${id} does not go by the configuration ${index} of its log`,
  );
}

/** Rules between a member's state and the one before it in the same life. */
export function checkLife(before: MemberState, after: MemberState): void {
  const { id } = after;
  rule(after.term >= before.term, () => `the term of ${id} ran back from ${before.term} to ${after.term}`);
  rule(after.commitIndex >= before.commitIndex, () => `the commit index of ${id} ran back`);
  if (before.role !== "leader" || after.role !== "leader" || before.term !== after.term) return;
  const firstIndex = (after.log.base?.index ?? 0) + 1;
  for (const entry of before.log.entries) {
    const own = entryIn(after.log, entry.index);
    rule(
      entry.index < firstIndex || (own !== undefined && entryText(own) === entryText(entry)),
      () => `leader append-only: ${id} changed entry ${entry.index}`,
    );
  }
  for (const [peer, matchIndex] of after.matchIndexes) {
    rule(matchIndex >= (before.matchIndexes.get(peer) ?? 0), () => `what ${id} knows ${peer} to have ran back`);
  }
}

/** Nothing is told before it is durable; to be asked at the moment when the message leaves. */
export function checkReleased({ id, image }: SteppedMember, message: Message): void {
  const { hardState } = image;
  const aboutNextTerm =
    (message.type === "RequestVoteRequest" && message.preVote) ||
    (message.type === "RequestVoteResponse" && message.preVote && message.granted);
  rule(
    aboutNextTerm || message.term <= hardState.term,
    () => `${id} told of term ${message.term} before it was durable`,
  );
  const votedFor = voteIn(message);
  rule(
    votedFor === null || (hardState.term === message.term && hardState.votedFor === votedFor),
    () => `${id} told of its vote for ${votedFor} in term ${message.term} before it was durable`,
  );
  if (message.type === "AppendEntriesResponse" && message.success && message.term === hardState.term) {
    rule(
      message.matchIndex <= imageLastIndex(image),
      () => `${id} acknowledged entry ${message.matchIndex} before it was durable`,
    );
  }
}

/** For whom the sender of a message has voted, by what it says. */
function voteIn(message: Message): string | null {
  if (message.type === "RequestVoteRequest" && !message.preVote) return message.from;
  if (message.type === "RequestVoteResponse" && !message.preVote && message.granted) return message.to;
  return null;
}
