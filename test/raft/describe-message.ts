import { type Configuration, isJoint } from "../../src/raft/configuration.ts";
import type { Entry } from "../../src/raft/entry.ts";
import type { Message } from "../../src/raft/message.ts";

/** A message on one line, with everything that its receiver may act upon. */
export function describeMessage(message: Message): string {
  return `${message.from} -> ${message.to} ${describeContent(message)}`;
}

/** What kind of message it is, and for an answer, which. */
export function nameOfMessage(message: Message): string {
  return describeContent(message).replace(/ term .*/, "");
}

function describeContent(message: Message): string {
  const { term } = message;
  switch (message.type) {
    case "RequestVoteRequest":
      return `${message.preVote ? "PreVote" : "RequestVote"} term ${term} last ${message.lastLogIndex}@${message.lastLogTerm}${message.leadershipTransfer ? " (transfer)" : ""}`;
    case "RequestVoteResponse":
      return `${message.preVote ? "PreVote" : "RequestVote"} ${message.granted ? "granted" : "refused"} term ${term}`;
    case "AppendEntriesRequest":
      return `AppendEntries term ${term} prev ${message.prevLogIndex}@${message.prevLogTerm} entries ${describeLog(message.entries)} commit ${message.commitIndex}`;
    case "AppendEntriesResponse":
      return message.success
        ? `AppendEntries accepted term ${term} match ${message.matchIndex}`
        : `AppendEntries refused term ${term} at ${message.rejectedIndex} hint ${message.hintIndex}@${message.hintTerm}`;
    case "HeartbeatRequest":
      return `Heartbeat term ${term} commit ${message.commitIndex} round ${message.round}`;
    case "HeartbeatResponse":
      return `Heartbeat heard term ${term} round ${message.round}${message.promisedMs > 0 ? ` promise ${message.promisedMs} ms` : ""}`;
    case "InstallSnapshotRequest":
      return `InstallSnapshot term ${term} at ${message.index}@${message.indexTerm} commit ${message.commitIndex}`;
    case "ReadIndexRequest":
      return `ReadIndex term ${term} id ${readId(message.id)}`;
    case "ReadIndexResponse":
      return `ReadIndex ${message.refused ? "refused" : "answered"} term ${term} id ${readId(message.id)}${message.refused ? "" : ` index ${message.index}`}`;
    case "TimeoutNowRequest":
      return `TimeoutNow term ${term}`;
  }
}

/** Ids of reads are large numbers, drawn at a start and counted up: the start and the count. */
function readId(id: number): string {
  return `${Math.floor(id / 2 ** 32)}.${id % 2 ** 32}`;
}

/** Entries in brackets. */
export function describeLog(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(" ")}]`;
}

/** Where an entry stands, and what is in it. */
export function describeEntry(entry: Entry): string {
  const position = `${entry.index}@${entry.term}`;
  switch (entry.kind) {
    case "noop":
      return position;
    case "command":
      return `${position}:${String.fromCharCode(...entry.command)}`;
    case "configuration":
      return `${position}:${describeConfiguration(entry.configuration)}`;
  }
}

/** Voters in braces, those to come before those to go; learners after a plus. */
export function describeConfiguration(configuration: Configuration): string {
  const { voters, outgoingVoters, learners } = configuration;
  const halves = isJoint(configuration) ? [voters, outgoingVoters] : [voters];
  const plus = learners.length > 0 ? `+${learners.join("")}` : "";
  return `{${halves.map((half) => half.join("")).join("|")}${plus}}`;
}
