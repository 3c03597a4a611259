import type { Entry, Index } from "../../src/raft/entry.ts";
import type { Write } from "../../src/raft/ready.ts";
import { describeConfiguration, describeLog, nameOfMessage } from "./describe-message.ts";
import { imageBaseIndex } from "./durable-image.ts";
import type { Outcome, SteppedMember } from "./stepped-member.ts";

/** What of a member is worth telling. */
export interface View {
  /** Role, term and leader. */
  readonly standing: string;
  readonly votedFor: string | null;
  readonly baseIndex: Index;
  readonly log: readonly Entry[];
  readonly commitIndex: Index;
  readonly appliedIndex: Index;
  readonly configuration: string;
  readonly transferring: boolean;
  readonly writing: SteppedMember["writing"];
  readonly wanted: SteppedMember["wanted"];
  /** All of it on one line. */
  readonly summary: string;
}

/** The log after its base, durable or not. */
export function logOf({ node, image }: SteppedMember): Entry[] {
  const base = imageBaseIndex(image);
  const durable = image.entries.slice(0, node.durableIndex - base);
  if (node.lastIndex === node.durableIndex) return durable;
  const rest = node.entries(node.durableIndex + 1, node.lastIndex, Number.POSITIVE_INFINITY);
  if (rest === undefined) throw new Error(`${node.id} has neither written nor kept what it appended`);
  return [...durable, ...rest];
}

/** How a member stands. */
export function lookAt(member: SteppedMember): View {
  const { node, image, writing, wanted } = member;
  const leads = node.role === "leader" ? "" : node.leaderId === null ? "" : ` of ${node.leaderId}`;
  const standing = `${node.role}${leads} in term ${node.term}`;
  const log = logOf(member);
  const configuration = describeConfiguration(node.configuration);
  const baseIndex = imageBaseIndex(image);
  const base = baseIndex === 0 ? "" : ` after ${baseIndex}@${image.base?.term}`;
  const { commitIndex, appliedIndex, votedFor, transferring } = node;
  const vote = votedFor === null || leads !== "" || node.role === "leader" ? "" : `, vote ${votedFor}`;
  const summary = `${node.id}: ${standing}${vote}, log${base} ${describeLog(log)}, commit ${commitIndex}, ${configuration}${writing === null ? "" : ", writing"}`;
  return {
    standing,
    votedFor,
    baseIndex,
    log,
    commitIndex,
    appliedIndex,
    configuration,
    transferring,
    writing,
    wanted,
    summary,
  };
}

/** Tells what is different now, and what came of the inputs in between. */
export function changesOf(before: View, member: SteppedMember, outcomes: readonly Outcome[]): string[] {
  const after = lookAt(member);
  const { id, writing } = member;
  const lines: string[] = [];
  for (const { refusal } of outcomes) if (refusal !== undefined) lines.push(`refused: ${refusal}`);
  if (after.standing !== before.standing) lines.push(`${id} is ${after.standing}`);
  if (after.votedFor !== before.votedFor && after.votedFor !== null) lines.push(`${id} votes for ${after.votedFor}`);
  const committing = commitChanges(id, before, after);
  // A leader appends because of what it commits, a follower the other way round.
  const commitsFirst = after.commitIndex <= before.baseIndex + sharedLength(before.log, after.log);
  if (commitsFirst) lines.push(...committing);
  lines.push(...logChanges(id, before, after));
  if (after.configuration !== before.configuration) lines.push(`${id} goes by ${after.configuration}`);
  if (!commitsFirst) lines.push(...committing);
  if (after.transferring && !before.transferring) lines.push(`${id} takes no proposals while it hands over`);
  if (!after.transferring && before.transferring && member.node.role === "leader")
    lines.push(`${id} gives the transfer up`);
  if (after.wanted !== null && after.wanted !== before.wanted) {
    lines.push(`${id} wants a snapshot of ${after.wanted.from} at ${after.wanted.index} or later`);
  }
  for (const { context, index, leased } of outcomes.flatMap(({ reads }) => reads)) {
    const by = leased === true ? ", by the lease" : "";
    lines.push(index === null ? `read ${context} is given up` : `read ${context} may be served at ${index}${by}`);
  }
  if (before.writing !== null && writing !== before.writing) lines.push(`${id} has written`);
  if (writing !== null && writing !== before.writing) lines.push(`${id} ${describeWrite(writing.write)}`);
  return lines;
}

function describeWrite({ hardState, entries, messages }: Write): string {
  const vote = hardState === undefined ? "" : ` term ${hardState.term} vote ${hardState.votedFor ?? "nobody"}`;
  const waiting = messages.map(nameOfMessage).join(", ");
  return `is writing${vote} ${describeLog(entries)}${waiting === "" ? "" : `, before it sends ${waiting}`}`;
}

function sharedLength(one: readonly Entry[], other: readonly Entry[]): number {
  const differing = one.findIndex((entry, at) => other[at]?.term !== entry.term);
  return differing < 0 ? one.length : differing;
}

function commitChanges(id: string, before: View, after: View): string[] {
  const { commitIndex, appliedIndex } = after;
  const [commits, applies] = [commitIndex > before.commitIndex, appliedIndex > before.appliedIndex];
  if (commits && applies && commitIndex === appliedIndex) return [`${id} commits and applies up to ${commitIndex}`];
  return [
    ...(commits ? [`${id} commits up to ${commitIndex}`] : []),
    ...(applies ? [`${id} applies up to ${appliedIndex}`] : []),
  ];
}

function logChanges(id: string, before: View, after: View): string[] {
  if (after.baseIndex > before.baseIndex) {
    const kept = after.log.length === 0 ? "" : `, and goes on with ${describeLog(after.log)}`;
    return [`${id} begins its log after ${after.baseIndex}${kept}`];
  }
  const kept = sharedLength(before.log, after.log);
  const lines: string[] = [];
  if (kept < before.log.length) lines.push(`${id} drops ${describeLog(before.log.slice(kept))}`);
  if (kept < after.log.length) lines.push(`${id} appends ${describeLog(after.log.slice(kept))}`);
  return lines;
}
