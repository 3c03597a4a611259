import { toBinary } from "@bufbuild/protobuf";
import type {
  ForwardedResult as ForwardedResultMessage,
  Hello as HelloMessage,
  PeerMessage as WireMessage,
} from "../gen/raftkv/raft/v1/raft_service_pb.ts";
import {
  AppendEntriesRequestSchema,
  DeliverRequestSchema,
  ForwardedResult_Outcome,
  PeerMessageSchema,
  StateHashReportSchema,
} from "../gen/raftkv/raft/v1/raft_service_pb.ts";
import { unreachable } from "../lib/assert.ts";
import { entriesSize } from "../raft/entry.ts";
import type { AppendEntriesRequest } from "../raft/message.ts";
import { encodeEntries } from "./entry-encoder.ts";
import type { ForwardedResult, PeerMessage, StateHashReport } from "./peer-transport.ts";
import { lengthPrefix } from "./varint.ts";

// Messages are written as plain objects with every field given: `create` would first fill in defaults, on the hot path.

/** What a stream's first frame says, before it is checked. */
export type WireHello = Omit<HelloMessage, "$typeName" | "$unknown">;

const noBytes = new Uint8Array(0);

/** First frame of a stream. */
export function encodeHello(hello: WireHello): Uint8Array {
  return toBinary(DeliverRequestSchema, {
    $typeName: "raftkv.raft.v1.DeliverRequest",
    hello: { $typeName: "raftkv.raft.v1.Hello", ...hello },
    messages: [],
    stateHashes: [],
  });
}

/** One frame. Numbers must be integers from 0 to 2^53 - 1; others are a programmer's error and throw. */
export function encodeMessages(messages: readonly PeerMessage[]): Uint8Array {
  const { messages: messageField, stateHashes } = DeliverRequestSchema.field;
  const { number } = messageField;
  const parts: Uint8Array[] = [];
  for (const message of messages) {
    if (message.type === "AppendEntriesRequest") {
      const [prefix, head, entries] = encodeAppendEntries(message);
      parts.push(lengthPrefix(number, prefix.length + head.length + entries.length), prefix, head, entries);
    } else if (message.type === "StateHashReport") {
      const encoded = encodeStateHash(message);
      parts.push(lengthPrefix(stateHashes.number, encoded.length), encoded);
    } else {
      const encoded = toBinary(PeerMessageSchema, toWire(message));
      parts.push(lengthPrefix(number, encoded.length), encoded);
    }
  }
  return Buffer.concat(parts);
}

function encodeStateHash({ index, hash, stateVersion, wantsAnswer }: StateHashReport): Uint8Array {
  const value = { index: BigInt(index), hash: Buffer.from(hash, "hex"), stateVersion, wantsAnswer };
  return toBinary(StateHashReportSchema, { $typeName: "raftkv.raft.v1.StateHashReport", ...value });
}

/** In parts, so that the entries are copied once more only, into the frame. */
function encodeAppendEntries(
  request: AppendEntriesRequest,
): [prefix: Uint8Array, head: Uint8Array, entries: Uint8Array] {
  const head = toBinary(AppendEntriesRequestSchema, {
    $typeName: "raftkv.raft.v1.AppendEntriesRequest",
    term: BigInt(request.term),
    prevLogIndex: BigInt(request.prevLogIndex),
    prevLogTerm: BigInt(request.prevLogTerm),
    entries: [],
    commitIndex: BigInt(request.commitIndex),
  });
  const entries = encodeEntries(request.entries);
  const { number } = PeerMessageSchema.field.appendEntriesRequest;
  return [lengthPrefix(number, head.length + entries.length), head, entries];
}

/** About what a message comes to on the wire, bytes, without encoding it: for queue and frame limits. */
export function messageSize(message: PeerMessage): number {
  const overhead = 64;
  let size = overhead;
  switch (message.type) {
    case "AppendEntriesRequest":
      return overhead + entriesSize(message.entries);
    case "ForwardRequest":
      for (const { command } of message.commands) size += command.length + 16;
      return size;
    case "ForwardResponse":
      for (const result of message.results) size += 48 + (result.outcome === "applied" ? result.result.length : 0);
      return size;
    case "RequestVoteRequest":
    case "RequestVoteResponse":
    case "AppendEntriesResponse":
    case "HeartbeatRequest":
    case "HeartbeatResponse":
    case "ReadIndexRequest":
    case "ReadIndexResponse":
    case "TimeoutNowRequest":
    case "InstallSnapshotRequest":
    case "StateHashReport":
      return size;
    default:
      return unreachable(message, "peer message");
  }
}

/** Everything but entries, which take the short way, and hashes, which stand beside the messages. */
type PlainMessage = Exclude<PeerMessage, AppendEntriesRequest | StateHashReport>;

function toWire(message: PlainMessage): WireMessage {
  return { $typeName: "raftkv.raft.v1.PeerMessage", message: toCase(message) };
}

function toCase(message: PlainMessage): WireMessage["message"] {
  switch (message.type) {
    case "RequestVoteRequest":
    case "RequestVoteResponse":
      return toVoteCase(message);
    case "AppendEntriesResponse":
      return {
        case: "appendEntriesResponse",
        value: {
          $typeName: "raftkv.raft.v1.AppendEntriesResponse",
          term: BigInt(message.term),
          success: message.success,
          matchIndex: BigInt(message.matchIndex),
          rejectedIndex: BigInt(message.rejectedIndex),
          hintIndex: BigInt(message.hintIndex),
          hintTerm: BigInt(message.hintTerm),
        },
      };
    case "HeartbeatRequest":
    case "HeartbeatResponse":
    case "ReadIndexRequest":
    case "ReadIndexResponse":
      return toReadCase(message);
    case "TimeoutNowRequest":
      return {
        case: "timeoutNowRequest",
        value: { $typeName: "raftkv.raft.v1.TimeoutNowRequest", term: BigInt(message.term) },
      };
    case "InstallSnapshotRequest":
      return {
        case: "installSnapshotRequest",
        value: {
          $typeName: "raftkv.raft.v1.InstallSnapshotRequest",
          term: BigInt(message.term),
          index: BigInt(message.index),
          indexTerm: BigInt(message.indexTerm),
          commitIndex: BigInt(message.commitIndex),
        },
      };
    case "ForwardRequest":
    case "ForwardResponse":
      return toForwardCase(message);
    default:
      return unreachable(message, "peer message");
  }
}

function toVoteCase(
  message: Extract<PeerMessage, { type: "RequestVoteRequest" | "RequestVoteResponse" }>,
): WireMessage["message"] {
  const { preVote } = message;
  const term = BigInt(message.term);
  if (message.type === "RequestVoteRequest") {
    return {
      case: "requestVoteRequest",
      value: {
        $typeName: "raftkv.raft.v1.RequestVoteRequest",
        term,
        lastLogIndex: BigInt(message.lastLogIndex),
        lastLogTerm: BigInt(message.lastLogTerm),
        preVote,
        leadershipTransfer: message.leadershipTransfer,
      },
    };
  }
  const { granted } = message;
  return {
    case: "requestVoteResponse",
    value: { $typeName: "raftkv.raft.v1.RequestVoteResponse", term, granted, preVote },
  };
}

type ReadMessage = Extract<
  PeerMessage,
  { type: "HeartbeatRequest" | "HeartbeatResponse" | "ReadIndexRequest" | "ReadIndexResponse" }
>;

function toReadCase(message: ReadMessage): WireMessage["message"] {
  const term = BigInt(message.term);
  switch (message.type) {
    case "HeartbeatRequest":
      return {
        case: "heartbeatRequest",
        value: {
          $typeName: "raftkv.raft.v1.HeartbeatRequest",
          term,
          commitIndex: BigInt(message.commitIndex),
          round: BigInt(message.round),
        },
      };
    case "HeartbeatResponse":
      return {
        case: "heartbeatResponse",
        value: {
          $typeName: "raftkv.raft.v1.HeartbeatResponse",
          term,
          round: BigInt(message.round),
          promisedMs: message.promisedMs,
        },
      };
    case "ReadIndexRequest":
      return {
        case: "readIndexRequest",
        value: { $typeName: "raftkv.raft.v1.ReadIndexRequest", term, id: BigInt(message.id) },
      };
    case "ReadIndexResponse":
      return {
        case: "readIndexResponse",
        value: {
          $typeName: "raftkv.raft.v1.ReadIndexResponse",
          term,
          id: BigInt(message.id),
          index: BigInt(message.index),
          refused: message.refused,
        },
      };
    default:
      return unreachable(message, "read message");
  }
}

function toForwardCase(
  message: Extract<PeerMessage, { type: "ForwardRequest" | "ForwardResponse" }>,
): WireMessage["message"] {
  const id = BigInt(message.id);
  if (message.type === "ForwardRequest") {
    const commands = message.commands.map(({ command, timeoutMs }) => ({
      $typeName: "raftkv.raft.v1.ForwardedCommand" as const,
      command,
      timeoutMs: toWireTimeout(timeoutMs),
    }));
    return { case: "forwardRequest", value: { $typeName: "raftkv.raft.v1.ForwardRequest", id, commands } };
  }
  const results = message.results.map(toWireResult);
  return { case: "forwardResponse", value: { $typeName: "raftkv.raft.v1.ForwardResponse", id, results } };
}

/** Whole milliseconds, rounded down: a deadline may come early on the way, never late. */
function toWireTimeout(timeoutMs: number): number {
  const timeoutMsMax = 0xffff_ffff;
  return Math.max(0, Math.min(timeoutMsMax, Math.floor(timeoutMs)));
}

const wireOutcome = {
  applied: ForwardedResult_Outcome.APPLIED,
  dropped: ForwardedResult_Outcome.DROPPED,
  unknown: ForwardedResult_Outcome.UNKNOWN,
} as const;

function toWireResult(result: ForwardedResult): ForwardedResultMessage {
  const applied = result.outcome === "applied";
  return {
    $typeName: "raftkv.raft.v1.ForwardedResult",
    position: result.position,
    outcome: wireOutcome[result.outcome],
    result: applied ? result.result : noBytes,
    reason: applied ? "" : result.reason,
    index: BigInt(result.index),
    entryTerm: BigInt(result.term),
  };
}
