import fc from "fast-check";
import type { Configuration } from "../../src/raft/configuration.ts";
import type { Entry } from "../../src/raft/entry.ts";
import type { ForwardedResult, PeerMessage } from "../../src/transport/peer-transport.ts";

const number = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 64 });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const ends = { from: fc.constant("a"), to: fc.constant("b") };
const unitString = fc.string({ maxLength: 20 });

const configuration: fc.Arbitrary<Configuration> = fc
  .uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 16 }), fc.nat(4)), {
    minLength: 1,
    maxLength: 7,
    selector: ([id]) => id,
  })
  .map((drawn) => {
    const ordered = [...drawn].sort(([a], [b]) => (a < b ? -1 : 1));
    const part = (...parts: number[]) => ordered.filter(([, of]) => parts.includes(of)).map(([id]) => id);
    return {
      voters: part(0, 1),
      outgoingVoters: part(1, 2),
      learners: part(3),
      nextLearners: part(2),
      members: ordered.map(([id]) => ({ id, name: `name-${id}`, peerAddress: `${id}:7001` })),
    };
  });

type EntryBody =
  | { kind: "noop" }
  | { kind: "command"; command: Uint8Array }
  | { kind: "configuration"; configuration: Configuration };

const entryBody: fc.Arbitrary<EntryBody> = fc.oneof(
  fc.record({ kind: fc.constant("noop" as const) }),
  fc.record({ kind: fc.constant("command" as const), command: bytes }),
  fc.record({ kind: fc.constant("configuration" as const), configuration }),
);

const appendEntries: fc.Arbitrary<PeerMessage> = fc
  .record({
    ...ends,
    type: fc.constant("AppendEntriesRequest" as const),
    term: number,
    prevLogIndex: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 10 }),
    prevLogTerm: number,
    commitIndex: number,
    drawn: fc.array(
      fc.record({ body: entryBody, term: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), timeMs: number }),
      { maxLength: 8 },
    ),
  })
  .map(({ drawn, ...request }) => ({
    ...request,
    entries: drawn.map(
      ({ body, term, timeMs }, i): Entry => ({ ...body, term, timeMs, index: request.prevLogIndex + 1 + i }),
    ),
  }));

const position = { position: uint32, index: number, term: number };

const forwardedResult: fc.Arbitrary<ForwardedResult> = fc.oneof(
  fc.record({ ...position, outcome: fc.constant("applied" as const), result: bytes }),
  fc.record({ ...position, outcome: fc.constantFrom("dropped" as const, "unknown" as const), reason: unitString }),
);

/** Any message that a member with id "a" may send to one with id "b". */
export const peerMessage: fc.Arbitrary<PeerMessage> = fc.oneof(
  appendEntries,
  fc.record({
    ...ends,
    type: fc.constant("RequestVoteRequest" as const),
    term: number,
    lastLogIndex: number,
    lastLogTerm: number,
    preVote: fc.boolean(),
    leadershipTransfer: fc.boolean(),
  }),
  fc.record({
    ...ends,
    type: fc.constant("RequestVoteResponse" as const),
    term: number,
    granted: fc.boolean(),
    preVote: fc.boolean(),
  }),
  fc.record({
    ...ends,
    type: fc.constant("AppendEntriesResponse" as const),
    term: number,
    success: fc.boolean(),
    matchIndex: number,
    rejectedIndex: number,
    hintIndex: number,
    hintTerm: number,
  }),
  fc.record({
    ...ends,
    type: fc.constant("HeartbeatRequest" as const),
    term: number,
    commitIndex: number,
    round: number,
  }),
  fc.record({
    ...ends,
    type: fc.constant("HeartbeatResponse" as const),
    term: number,
    round: number,
    promisedMs: fc.nat(0xffff_ffff),
  }),
  fc.record({ ...ends, type: fc.constant("ReadIndexRequest" as const), term: number, id: number }),
  fc.record({
    ...ends,
    type: fc.constant("ReadIndexResponse" as const),
    term: number,
    id: number,
    index: number,
    refused: fc.boolean(),
  }),
  fc.record({
    ...ends,
    type: fc.constant("InstallSnapshotRequest" as const),
    term: number,
    index: number,
    indexTerm: number,
    commitIndex: number,
  }),
  fc.record({
    ...ends,
    type: fc.constant("StateHashReport" as const),
    index: number,
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((hash) => Buffer.from(hash).toString("hex")),
    stateVersion: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    wantsAnswer: fc.boolean(),
  }),
  fc.record({
    ...ends,
    type: fc.constant("ForwardRequest" as const),
    id: number,
    commands: fc.array(fc.record({ command: bytes, timeoutMs: uint32 }), { maxLength: 5 }),
  }),
  fc.record({
    ...ends,
    type: fc.constant("ForwardResponse" as const),
    id: number,
    results: fc.array(forwardedResult, { maxLength: 5 }),
  }),
);
