import type { PeerMessage } from "../../src/transport/peer-transport.ts";

/** A message on one line of a trace: what tells it from others, without payloads. */
export function describeMessage(message: PeerMessage): string {
  switch (message.type) {
    case "RequestVoteRequest":
      return `${message.preVote ? "pre-vote?" : "vote?"} term ${message.term} last ${message.lastLogIndex}/${message.lastLogTerm}`;
    case "RequestVoteResponse":
      return `${message.preVote ? "pre-vote" : "vote"} ${message.granted ? "granted" : "refused"} term ${message.term}`;
    case "AppendEntriesRequest":
      return `append? term ${message.term} after ${message.prevLogIndex}/${message.prevLogTerm} +${message.entries.length} commit ${message.commitIndex}`;
    case "AppendEntriesResponse":
      return message.success
        ? `append ok term ${message.term} match ${message.matchIndex}`
        : `append refused term ${message.term} at ${message.rejectedIndex} hint ${message.hintIndex}/${message.hintTerm}`;
    case "HeartbeatRequest":
      return `heartbeat? term ${message.term} commit ${message.commitIndex} round ${message.round}`;
    case "HeartbeatResponse":
      return `heartbeat ok term ${message.term} round ${message.round}`;
    case "ReadIndexRequest":
      return `read? term ${message.term} id ${message.id % 1000}`;
    case "ReadIndexResponse":
      return `read ${message.refused ? "refused" : `at ${message.index}`} term ${message.term} id ${message.id % 1000}`;
    case "TimeoutNowRequest":
      return `campaign now! term ${message.term}`;
    case "InstallSnapshotRequest":
      return `snapshot? term ${message.term} at ${message.index}/${message.indexTerm}`;
    case "StateHashReport":
      return `hash at ${message.index} ${message.hash.slice(0, 8)}${message.wantsAnswer ? "?" : ""}`;
    case "ForwardRequest":
      return `forward? ${message.id} of ${message.commands.length}`;
    case "ForwardResponse":
      return `forward ${message.id} ${message.results.map((result) => `${result.outcome}@${result.index}/${result.term}${"reason" in result ? ` ${result.reason}` : ""}`).join(", ")}`;
  }
}
