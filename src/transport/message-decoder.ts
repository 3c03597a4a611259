import { fromBinary } from "@bufbuild/protobuf";
import type {
  DeliverRequest,
  Entry as EntryMessage,
  ForwardedResult as ForwardedResultMessage,
  StateHashReport as StateHashMessage,
  PeerMessage as WireMessage,
} from "../gen/raftkv/raft/v1/raft_service_pb.ts";
import { DeliverRequestSchema, ForwardedResult_Outcome } from "../gen/raftkv/raft/v1/raft_service_pb.ts";
import { EntryKind } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { RaftKvError } from "../lib/errors.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import type { Configuration, MemberId } from "../raft/configuration.ts";
import type { Entry, Index } from "../raft/entry.ts";
import { numberMax } from "../raft/entry.ts";
import { decodeConfiguration } from "../storage/configuration-codec.ts";
import type { WireHello } from "./message-encoder.ts";
import { PayloadCopier } from "./payload-copier.ts";
import type { ForwardedResult, PeerMessage } from "./peer-transport.ts";

const stateHashBytes = 32;

/** Sender and receiver of a stream, as its hello settled them. */
export interface StreamEnds {
  readonly from: MemberId;
  readonly to: MemberId;
}

/** Reads the first frame of a stream. Throws `PEER_REFUSED` when it is anything but a hello. */
export function decodeHello(frame: Uint8Array): WireHello {
  const { hello, messages } = decodeFrame(frame);
  if (hello === undefined) throw refused("the first frame of the stream holds no hello");
  if (messages.length > 0) throw refused("the first frame of the stream holds messages beside the hello");
  const { $typeName, $unknown, ...fields } = hello;
  return fields;
}

/**
 * Reads a frame of messages. The byte arrays of entries, commands and results are copies, so that keeping one does not
 * keep the frame (see {@link PayloadCopier}). Throws `PEER_REFUSED` or `NUMBER_OUT_OF_RANGE`, naming the field, and then nothing of the frame counts.
 */
export function decodeMessages(frame: Uint8Array, ends: StreamEnds): PeerMessage[] {
  const { hello, messages, stateHashes } = decodeFrame(frame);
  if (hello !== undefined) throw refused("a frame after the first holds a hello");
  const copier = new PayloadCopier(frame.length);
  const decoded = messages.map((message) => fromWire(message, ends, copier));
  for (const stateHash of stateHashes) decoded.push(fromWireStateHash(stateHash, ends));
  return decoded;
}

function decodeFrame(frame: Uint8Array): DeliverRequest {
  try {
    return fromBinary(DeliverRequestSchema, frame, { readUnknownFields: false });
  } catch (cause) {
    throw new RaftKvError("PEER_REFUSED", `a frame of ${frame.length} bytes is no DeliverRequest`, { cause });
  }
}

function fromWireStateHash(message: StateHashMessage, ends: StreamEnds): PeerMessage {
  const { index, hash, stateVersion, wantsAnswer } = message;
  if (hash.length !== stateHashBytes) throw refused(`StateHashReport.hash has ${hash.length} bytes`);
  const text = Buffer.from(hash).toString("hex");
  return {
    type: "StateHashReport",
    ...ends,
    index: toSafeNumber(index, "StateHashReport.index"),
    hash: text,
    // A sender that tells none is of a release in which there was but one.
    stateVersion: stateVersion || 1,
    wantsAnswer,
  };
}

function fromWire({ message }: WireMessage, ends: StreamEnds, copier: PayloadCopier): PeerMessage {
  if (message.case === undefined) {
    throw refused("PeerMessage.message is not set, or of a kind that this version does not know");
  }
  switch (message.case) {
    case "requestVoteRequest":
    case "requestVoteResponse":
      return fromWireVote(message, ends);
    case "appendEntriesRequest":
    case "appendEntriesResponse":
      return fromWireAppend(message, ends, copier);
    case "heartbeatRequest":
    case "heartbeatResponse":
      return fromWireHeartbeat(message, ends);
    case "readIndexRequest":
    case "readIndexResponse":
      return fromWireReadIndex(message, ends);
    case "timeoutNowRequest":
      return { type: "TimeoutNowRequest", ...ends, term: toSafeNumber(message.value.term, "TimeoutNowRequest.term") };
    case "installSnapshotRequest":
      return fromWireInstallSnapshot(message, ends);
    case "forwardRequest":
    case "forwardResponse":
      return fromWireForward(message, ends, copier);
  }
}

/** The oneof of a message, narrowed to some of its cases. */
type WireCase<Name extends WireMessage["message"]["case"]> = Extract<WireMessage["message"], { case: Name }>;

function fromWireVote(
  { case: type, value }: WireCase<"requestVoteRequest" | "requestVoteResponse">,
  ends: StreamEnds,
): PeerMessage {
  if (type === "requestVoteResponse") {
    const term = toSafeNumber(value.term, "RequestVoteResponse.term");
    return { type: "RequestVoteResponse", ...ends, term, granted: value.granted, preVote: value.preVote };
  }
  return {
    type: "RequestVoteRequest",
    ...ends,
    term: toSafeNumber(value.term, "RequestVoteRequest.term"),
    lastLogIndex: toSafeNumber(value.lastLogIndex, "RequestVoteRequest.last_log_index"),
    lastLogTerm: toSafeNumber(value.lastLogTerm, "RequestVoteRequest.last_log_term"),
    preVote: value.preVote,
    leadershipTransfer: value.leadershipTransfer,
  };
}

function fromWireAppend(
  { case: type, value }: WireCase<"appendEntriesRequest" | "appendEntriesResponse">,
  ends: StreamEnds,
  copier: PayloadCopier,
): PeerMessage {
  if (type === "appendEntriesResponse") {
    return {
      type: "AppendEntriesResponse",
      ...ends,
      term: toSafeNumber(value.term, "AppendEntriesResponse.term"),
      success: value.success,
      matchIndex: toSafeNumber(value.matchIndex, "AppendEntriesResponse.match_index"),
      rejectedIndex: toSafeNumber(value.rejectedIndex, "AppendEntriesResponse.rejected_index"),
      hintIndex: toSafeNumber(value.hintIndex, "AppendEntriesResponse.hint_index"),
      hintTerm: toSafeNumber(value.hintTerm, "AppendEntriesResponse.hint_term"),
    };
  }
  const prevLogIndex = toSafeNumber(value.prevLogIndex, "AppendEntriesRequest.prev_log_index");
  return {
    type: "AppendEntriesRequest",
    ...ends,
    term: toSafeNumber(value.term, "AppendEntriesRequest.term"),
    prevLogIndex,
    prevLogTerm: toSafeNumber(value.prevLogTerm, "AppendEntriesRequest.prev_log_term"),
    entries: fromWireEntries(value.entries, prevLogIndex, copier),
    commitIndex: toSafeNumber(value.commitIndex, "AppendEntriesRequest.commit_index"),
  };
}

function fromWireHeartbeat(
  { case: type, value }: WireCase<"heartbeatRequest" | "heartbeatResponse">,
  ends: StreamEnds,
): PeerMessage {
  if (type === "heartbeatResponse") {
    return {
      type: "HeartbeatResponse",
      ...ends,
      term: toSafeNumber(value.term, "HeartbeatResponse.term"),
      round: toSafeNumber(value.round, "HeartbeatResponse.round"),
      promisedMs: value.promisedMs,
    };
  }
  return {
    type: "HeartbeatRequest",
    ...ends,
    term: toSafeNumber(value.term, "HeartbeatRequest.term"),
    commitIndex: toSafeNumber(value.commitIndex, "HeartbeatRequest.commit_index"),
    round: toSafeNumber(value.round, "HeartbeatRequest.round"),
  };
}

function fromWireReadIndex(
  { case: type, value }: WireCase<"readIndexRequest" | "readIndexResponse">,
  ends: StreamEnds,
): PeerMessage {
  if (type === "readIndexRequest") {
    const term = toSafeNumber(value.term, "ReadIndexRequest.term");
    return { type: "ReadIndexRequest", ...ends, term, id: toSafeNumber(value.id, "ReadIndexRequest.id") };
  }
  return {
    type: "ReadIndexResponse",
    ...ends,
    term: toSafeNumber(value.term, "ReadIndexResponse.term"),
    id: toSafeNumber(value.id, "ReadIndexResponse.id"),
    index: toSafeNumber(value.index, "ReadIndexResponse.index"),
    refused: value.refused,
  };
}

function fromWireInstallSnapshot({ value }: WireCase<"installSnapshotRequest">, ends: StreamEnds): PeerMessage {
  return {
    type: "InstallSnapshotRequest",
    ...ends,
    term: toSafeNumber(value.term, "InstallSnapshotRequest.term"),
    index: toSafeNumber(value.index, "InstallSnapshotRequest.index"),
    indexTerm: toSafeNumber(value.indexTerm, "InstallSnapshotRequest.index_term"),
    commitIndex: toSafeNumber(value.commitIndex, "InstallSnapshotRequest.commit_index"),
  };
}

function fromWireForward(
  { case: type, value }: WireCase<"forwardRequest" | "forwardResponse">,
  ends: StreamEnds,
  copier: PayloadCopier,
): PeerMessage {
  if (type === "forwardResponse") {
    const id = toSafeNumber(value.id, "ForwardResponse.id");
    return {
      type: "ForwardResponse",
      ...ends,
      id,
      results: value.results.map((result) => fromWireResult(result, copier)),
    };
  }
  const id = toSafeNumber(value.id, "ForwardRequest.id");
  const commands = value.commands.map(({ command, timeoutMs }) => ({ command: copier.copy(command), timeoutMs }));
  return { type: "ForwardRequest", ...ends, id, commands };
}

function fromWireEntries(entries: readonly EntryMessage[], prevLogIndex: Index, copier: PayloadCopier): Entry[] {
  if (entries.length > numberMax - prevLogIndex) {
    throw refused(`AppendEntriesRequest.entries reach beyond index ${numberMax}`);
  }
  return entries.map((entry, position) => fromWireEntry(entry, prevLogIndex + 1 + position, copier));
}

function fromWireEntry(wire: EntryMessage, index: Index, copier: PayloadCopier): Entry {
  const term = toSafeNumber(wire.term, "Entry.term");
  if (term === 0) throw refused(`Entry.term is missing at index ${index}`);
  const timeMs = toSafeNumber(wire.timeMs, "Entry.time_ms");
  // No switch: the enum is open, any number may come.
  if (wire.kind === EntryKind.COMMAND)
    return { kind: "command", index, term, timeMs, command: copier.copy(wire.payload) };
  if (wire.kind === EntryKind.CONFIGURATION) {
    return { kind: "configuration", index, term, timeMs, configuration: fromWireConfiguration(wire.payload, index) };
  }
  if (wire.kind !== EntryKind.NOOP) throw refused(`Entry.kind is ${wire.kind} at index ${index}`);
  if (wire.payload.length > 0) throw refused(`Entry.payload is set on a no-op at index ${index}`);
  return { kind: "noop", index, term, timeMs };
}

function fromWireConfiguration(payload: Uint8Array, index: Index): Configuration {
  try {
    return decodeConfiguration(payload);
  } catch (cause) {
    throw new RaftKvError("PEER_REFUSED", `Entry.payload at index ${index} is no configuration`, { cause });
  }
}

function fromWireResult(wire: ForwardedResultMessage, copier: PayloadCopier): ForwardedResult {
  const { position, outcome, reason } = wire;
  const index = toSafeNumber(wire.index, "ForwardedResult.index");
  const term = toSafeNumber(wire.entryTerm, "ForwardedResult.entry_term");
  const { APPLIED, DROPPED, UNKNOWN } = ForwardedResult_Outcome;
  if (outcome === APPLIED) return { position, outcome: "applied", result: copier.copy(wire.result), index, term };
  if (outcome === DROPPED) return { position, outcome: "dropped", reason, index, term };
  if (outcome === UNKNOWN) return { position, outcome: "unknown", reason, index, term };
  throw refused(`ForwardedResult.outcome is ${outcome} at position ${position}`);
}

function refused(what: string): RaftKvError {
  return new RaftKvError("PEER_REFUSED", what);
}
