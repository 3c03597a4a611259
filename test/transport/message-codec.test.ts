import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DeliverRequestSchema, type ForwardedResult_Outcome } from "../../src/gen/raftkv/raft/v1/raft_service_pb.ts";
import type { EntryKind } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { RaftKvError } from "../../src/lib/errors.ts";
import { decodeHello, decodeMessages } from "../../src/transport/message-decoder.ts";
import { encodeHello, encodeMessages, messageSize } from "../../src/transport/message-encoder.ts";
import type { PeerMessage } from "../../src/transport/peer-transport.ts";
import { peerMessage } from "./message-arbitraries.ts";

const ends = { from: "a", to: "b" };
const beyond = 2n ** 53n;
type FrameInit = Parameters<typeof create<typeof DeliverRequestSchema>>[1];
type MessageInit = Extract<NonNullable<NonNullable<FrameInit>["messages"]>[number], { message?: unknown }>["message"] &
  object;

const frameOf = (message: MessageInit) =>
  toBinary(DeliverRequestSchema, create(DeliverRequestSchema, { messages: [{ message }] }));

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

const isHash = ({ type }: PeerMessage) => type === "StateHashReport";

describe("message codec", () => {
  test("gives back every message as it was", () => {
    fc.assert(
      fc.property(fc.array(peerMessage, { maxLength: 5 }), (messages) => {
        // Hashes stand beside the messages of a frame, and come after them.
        const ordered = [...messages].sort((a, b) => Number(isHash(a)) - Number(isHash(b)));
        expect(decodeMessages(encodeMessages(messages), ends)).toEqual(ordered);
      }),
      { numRuns: 500 },
    );
  });

  test("takes a hash without a state version for one of the first", () => {
    const stateHashes = [{ index: 7n, hash: new Uint8Array(32), wantsAnswer: true }];
    const frame = toBinary(DeliverRequestSchema, create(DeliverRequestSchema, { stateHashes }));
    expect(decodeMessages(frame, ends)).toMatchObject([{ type: "StateHashReport", index: 7, stateVersion: 1 }]);
  });

  test("gives back a hello as it was", () => {
    const text = fc.string({ maxLength: 30 });
    const hello = fc.record({
      clusterId: text,
      fromMemberId: text,
      toMemberId: text,
      dataDirectoryId: text,
      protocolVersion: fc.nat(),
      name: text,
      clientAddress: text,
      peerAddress: text,
    });
    fc.assert(
      fc.property(hello, (given) => {
        expect(decodeHello(encodeHello(given))).toEqual(given);
      }),
    );
  });

  test("estimates a size that is never far below the encoded one", () => {
    fc.assert(
      fc.property(
        peerMessage.filter((message) => message.type !== "AppendEntriesRequest" && message.type !== "ForwardResponse"),
        (message) => {
          expect(encodeMessages([message]).length).toBeLessThanOrEqual(messageSize(message));
        },
      ),
    );
    const command = new Uint8Array(256);
    const entries = Array.from({ length: 1000 }, (_, i) => {
      return { kind: "command", index: i + 1, term: 70_000, timeMs: 1_700_000_000_000, command } as const;
    });
    const append = {
      type: "AppendEntriesRequest",
      ...ends,
      term: 1,
      prevLogIndex: 0,
      prevLogTerm: 0,
      entries,
      commitIndex: 0,
    } as const;
    expect(encodeMessages([append]).length).toBeLessThanOrEqual(messageSize(append));
  });

  test("random bytes give a RaftKvError or messages, nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of [() => decodeMessages(bytes, ends), () => decodeHello(bytes)]) {
          const error = errorOf(decode);
          if (error !== undefined) expect(error).toBeInstanceOf(RaftKvError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("damaged frames give a RaftKvError or messages, nothing else", () => {
    const damage = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(peerMessage, { minLength: 1, maxLength: 3 }),
        damage,
        fc.nat(10_000),
        (messages, at, cut) => {
          const bytes = encodeMessages(messages);
          for (const [offset, value] of at) bytes[offset % bytes.length] = value;
          const error = errorOf(() => decodeMessages(bytes.subarray(0, bytes.length - (cut % 3)), ends));
          if (error !== undefined) expect(error).toBeInstanceOf(RaftKvError);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("keeps nothing of the frame that it read", () => {
    const command = Uint8Array.of(1, 2, 3);
    const entry = { kind: "command", index: 1, term: 1, timeMs: 0, command } as const;
    const messages: PeerMessage[] = [
      {
        type: "AppendEntriesRequest",
        ...ends,
        term: 1,
        prevLogIndex: 0,
        prevLogTerm: 0,
        entries: [entry],
        commitIndex: 0,
      },
      { type: "ForwardRequest", ...ends, id: 1, commands: [{ command, timeoutMs: 1 }] },
      {
        type: "ForwardResponse",
        ...ends,
        id: 1,
        results: [{ position: 0, outcome: "applied", result: command, index: 1, term: 1 }],
      },
    ];
    const frame = encodeMessages(messages);
    const decoded = decodeMessages(frame, ends);
    frame.fill(0xff);
    expect(decoded).toEqual(messages);
  });

  test("a timeout is rounded down to whole milliseconds and kept in 32 bits", () => {
    const timeouts = [1.9, -5, 2 ** 40].map((timeoutMs) => ({ command: new Uint8Array(0), timeoutMs }));
    const [decoded] = decodeMessages(
      encodeMessages([{ type: "ForwardRequest", ...ends, id: 1, commands: timeouts }]),
      ends,
    );
    const { commands } = decoded?.type === "ForwardRequest" ? decoded : { commands: [] };
    expect(commands.map((command) => command.timeoutMs)).toEqual([1, 0, 0xffff_ffff]);
  });

  test.each<[string, MessageInit, RegExp, string?]>([
    ["no message", { case: undefined }, /PeerMessage\.message is not set/],
    [
      "an entry without a term",
      { case: "appendEntriesRequest", value: { entries: [{ kind: 1 }] } },
      /Entry\.term is missing at index 1/,
    ],
    [
      "an entry without a kind",
      { case: "appendEntriesRequest", value: { entries: [{ term: 1n }] } },
      /Entry\.kind is 0/,
    ],
    [
      "an entry of an unknown kind",
      { case: "appendEntriesRequest", value: { entries: [{ term: 1n, kind: 9 as EntryKind }] } },
      /Entry\.kind is 9 at index 1/,
    ],
    [
      "a no-op with a payload",
      { case: "appendEntriesRequest", value: { entries: [{ term: 1n, kind: 1, payload: Uint8Array.of(1) }] } },
      /Entry\.payload is set on a no-op/,
    ],
    [
      "a broken configuration",
      { case: "appendEntriesRequest", value: { entries: [{ term: 1n, kind: 3, payload: Uint8Array.of(255) }] } },
      /Entry\.payload at index 1 is no configuration/,
    ],
    [
      "entries beyond the last index",
      { case: "appendEntriesRequest", value: { prevLogIndex: beyond - 1n, entries: [{ term: 1n, kind: 1 }] } },
      /entries reach beyond index 9007199254740991/,
    ],
    [
      "a result without an outcome",
      { case: "forwardResponse", value: { results: [{ position: 3 }] } },
      /ForwardedResult\.outcome is 0 at position 3/,
    ],
    [
      "a result of an unknown outcome",
      { case: "forwardResponse", value: { results: [{ outcome: 7 as ForwardedResult_Outcome }] } },
      /ForwardedResult\.outcome is 7/,
    ],
  ])("refuses %s and names it", (_what, message, text) => {
    const decode = () => decodeMessages(frameOf(message), ends);
    expect(decode).toThrow(expect.objectContaining({ code: "PEER_REFUSED" }));
    expect(decode).toThrow(text);
  });

  test.each<[string, MessageInit]>([
    ["RequestVoteRequest.term", { case: "requestVoteRequest", value: { term: beyond } }],
    ["RequestVoteRequest.last_log_index", { case: "requestVoteRequest", value: { lastLogIndex: beyond } }],
    ["RequestVoteRequest.last_log_term", { case: "requestVoteRequest", value: { lastLogTerm: beyond } }],
    ["RequestVoteResponse.term", { case: "requestVoteResponse", value: { term: beyond } }],
    ["AppendEntriesRequest.term", { case: "appendEntriesRequest", value: { term: beyond } }],
    ["AppendEntriesRequest.prev_log_index", { case: "appendEntriesRequest", value: { prevLogIndex: beyond } }],
    ["AppendEntriesRequest.prev_log_term", { case: "appendEntriesRequest", value: { prevLogTerm: beyond } }],
    ["AppendEntriesRequest.commit_index", { case: "appendEntriesRequest", value: { commitIndex: beyond } }],
    ["Entry.term", { case: "appendEntriesRequest", value: { entries: [{ term: beyond }] } }],
    ["Entry.time_ms", { case: "appendEntriesRequest", value: { entries: [{ term: 1n, timeMs: beyond }] } }],
    ["AppendEntriesResponse.match_index", { case: "appendEntriesResponse", value: { matchIndex: beyond } }],
    ["AppendEntriesResponse.rejected_index", { case: "appendEntriesResponse", value: { rejectedIndex: beyond } }],
    ["AppendEntriesResponse.hint_index", { case: "appendEntriesResponse", value: { hintIndex: beyond } }],
    ["AppendEntriesResponse.hint_term", { case: "appendEntriesResponse", value: { hintTerm: beyond } }],
    ["HeartbeatRequest.commit_index", { case: "heartbeatRequest", value: { commitIndex: beyond } }],
    ["HeartbeatRequest.round", { case: "heartbeatRequest", value: { round: beyond } }],
    ["HeartbeatResponse.round", { case: "heartbeatResponse", value: { round: beyond } }],
    ["ReadIndexRequest.id", { case: "readIndexRequest", value: { id: beyond } }],
    ["ReadIndexResponse.index", { case: "readIndexResponse", value: { index: beyond } }],
    ["InstallSnapshotRequest.index", { case: "installSnapshotRequest", value: { index: beyond } }],
    ["InstallSnapshotRequest.index_term", { case: "installSnapshotRequest", value: { indexTerm: beyond } }],
    ["InstallSnapshotRequest.commit_index", { case: "installSnapshotRequest", value: { commitIndex: beyond } }],
    ["ForwardRequest.id", { case: "forwardRequest", value: { id: beyond } }],
    ["ForwardResponse.id", { case: "forwardResponse", value: { id: beyond } }],
    ["ForwardedResult.index", { case: "forwardResponse", value: { results: [{ outcome: 1, index: beyond }] } }],
    [
      "ForwardedResult.entry_term",
      { case: "forwardResponse", value: { results: [{ outcome: 1, entryTerm: beyond }] } },
    ],
  ])("trap 92: refuses %s beyond 2^53 - 1", (field, message) => {
    const decode = () => decodeMessages(frameOf(message), ends);
    expect(decode).toThrow(expect.objectContaining({ code: "NUMBER_OUT_OF_RANGE" }));
    expect(decode).toThrow(field);
  });

  test("refuses a first frame without hello, a hello with messages, and a later hello", () => {
    const hello = { clusterId: "c" };
    const both = toBinary(DeliverRequestSchema, create(DeliverRequestSchema, { hello, messages: [{}] }));
    expect(() => decodeHello(encodeMessages([]))).toThrow(/holds no hello/);
    expect(() => decodeHello(both)).toThrow(/holds messages beside the hello/);
    expect(() => decodeMessages(both, ends)).toThrow(/a frame after the first holds a hello/);
  });
});
