import { create, fromBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import {
  CommandFailureReason,
  CommandResultSchema,
  CommandSchema,
} from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { ReadConsistency } from "../../src/gen/raftkv/v1/common_pb.ts";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { DropReason } from "../../src/replica/outcome.ts";
import { otherId, selfId } from "../server/fake-replica.ts";
import { type CallSettings, failureOf, startServer } from "../server/server-harness.ts";

const { put, get, delete: remove, increment } = KvService.method;
const text = (value: string) => ({ case: "value", value }) as const;

describe("a write and a read", () => {
  test("return what was written, in the arm in which it was written", async () => {
    const { call } = await startServer();
    const written = await call(put, { key: "a", payload: text("ä") });
    expect(written).toMatchObject({ applied: true, header: { revision: 1n, memberId: selfId, leaderId: selfId } });
    await call(put, { key: "b", payload: { case: "binaryValue", value: new Uint8Array([0xff, 0]) } });

    const read = await call(get, { key: "a" });
    expect(read.found).toBe(true);
    expect(read.kv).toMatchObject({ key: "a", payload: text("ä"), createRevision: 1n, modRevision: 1n, version: 1n });
    const binary = (await call(get, { key: "b" })).kv?.payload;
    expect(binary).toEqual({ case: "binaryValue", value: Buffer.from([0xff, 0]) });
  });

  test("say that a key is missing without an error", async () => {
    const { call } = await startServer();
    const read = await call(get, { key: "none" });
    expect(read).toMatchObject({ found: false });
    expect(read.kv).toBeUndefined();
  });

  test("store an absent value as an empty text", async () => {
    const { call } = await startServer();
    await call(put, { key: "a" });
    expect((await call(get, { key: "a" })).kv?.payload).toEqual(text(""));
  });

  test("tell the current pair when a condition does not hold", async () => {
    const { call } = await startServer();
    await call(put, { key: "a", payload: text("1") });
    const refused = await call(put, { key: "a", payload: text("2"), ifModRevision: 0n });
    expect(refused).toMatchObject({ applied: false, previous: { payload: text("1"), modRevision: 1n } });
  });

  test("tell the replaced pair when asked", async () => {
    const { call } = await startServer();
    await call(put, { key: "a", payload: text("1") });
    const written = await call(put, { key: "a", payload: text("2"), returnPrevious: true });
    expect(written).toMatchObject({ applied: true, previous: { payload: text("1") } });
  });

  test("delete a key once", async () => {
    const { call } = await startServer();
    await call(put, { key: "a", payload: text("1") });
    const first = await call(remove, { key: "a", returnPrevious: true });
    expect(first).toMatchObject({ deleted: 1n, applied: true, previous: [{ key: "a" }] });
    expect(await call(remove, { key: "a" })).toMatchObject({ deleted: 0n, applied: true, previous: [] });
  });

  test("add one where no delta is given, and a negative delta too", async () => {
    const { call } = await startServer();
    expect(await call(increment, { key: "n" })).toMatchObject({ applied: true, value: 1n });
    expect(await call(increment, { key: "n", delta: -5n })).toMatchObject({ value: -4n });
    const conflict = await call(increment, { key: "n", ifModRevision: 1n });
    expect(conflict.applied).toBe(false);
    expect(conflict.value).toBeUndefined();
  });

  test("carry the request id into the command", async () => {
    const { call, replica } = await startServer();
    const requestId = { clientId: "c", sequence: 9n, firstPendingSequence: 4n };
    await call(put, { key: "a", payload: text("1"), ifModRevision: 0n, requestId });
    const command = fromBinary(CommandSchema, replica.proposals[0]?.command ?? new Uint8Array(0));
    expect(command.id).toMatchObject(requestId);
    expect(command.command.value?.ifModRevision).toBe(0n);
  });
});

describe("a request that cannot be right", () => {
  const big = 2n ** 53n;
  const bad = [
    ["an empty key", put, { key: "" }, "KEY_INVALID", /^key is empty; it must have 1 to 4096 bytes$/],
    ["a key over the limit", put, { key: "k".repeat(4097) }, "KEY_INVALID", /4097 bytes; the limit is 4096/],
    ["a key over the limit in bytes only", get, { key: "ä".repeat(2049) }, "KEY_INVALID", /4098 bytes/],
    ["an empty key of a delete", remove, { key: "" }, "KEY_INVALID", /empty/],
    ["an empty key of an increment", increment, { key: "" }, "KEY_INVALID", /empty/],
    [
      "a text over the limit",
      put,
      { key: "k", payload: text("v".repeat(1048577)) },
      "VALUE_TOO_LARGE",
      /1048577.*1048576/,
    ],
    ["a revision over 2^53-1", put, { key: "k", ifModRevision: big }, "REVISION_INVALID", /if_mod_revision/],
    ["no client id", put, { key: "k", requestId: { sequence: 1n } }, "REQUEST_ID_INVALID", /client_id has 0 bytes/],
    [
      "a long client id",
      put,
      { key: "k", requestId: { clientId: "c".repeat(65), sequence: 1n } },
      "REQUEST_ID_INVALID",
      /65/,
    ],
    ["sequence 0", put, { key: "k", requestId: { clientId: "c" } }, "REQUEST_ID_INVALID", /sequence is 0/],
    [
      "a huge sequence",
      put,
      { key: "k", requestId: { clientId: "c", sequence: big } },
      "REQUEST_ID_INVALID",
      /sequence is/,
    ],
    [
      "a first pending sequence beyond the sequence",
      increment,
      { key: "k", requestId: { clientId: "c", sequence: 1n, firstPendingSequence: 2n } },
      "REQUEST_ID_INVALID",
      /first_pending_sequence is 2/,
    ],
    ["an unknown consistency", get, { key: "k", read: { consistency: 9 } }, "READ_OPTIONS_INVALID", /unknown value 9/],
    [
      "the reserved consistency",
      get,
      { key: "k", read: { consistency: 2 } },
      "READ_OPTIONS_INVALID",
      /unknown value 2/,
    ],
    ["a huge min_revision", get, { key: "k", read: { minRevision: big } }, "REVISION_INVALID", /min_revision/],
    [
      "a negative staleness",
      get,
      { key: "k", read: { consistency: 3, maxStaleness: { seconds: -1n } } },
      "READ_OPTIONS_INVALID",
      /negative/,
    ],
    [
      "a staleness of a linearizable read",
      get,
      { key: "k", read: { maxStaleness: { seconds: 1n } } },
      "READ_OPTIONS_INVALID",
      /STALE only/,
    ],
  ] as const;

  test.each(bad)("%s answers INVALID_ARGUMENT and reaches no log", async (_name, method, request, reason, message) => {
    const { call, replica } = await startServer();
    const error = await failureOf(call(method as typeof put, request as never));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, reason, domain: "raftkv.v1" });
    expect(error.message).toMatch(message);
    expect(replica.proposals).toEqual([]);
  });

  test("at the limits is taken", async () => {
    const { call } = await startServer();
    const key = "k".repeat(4096);
    expect(await call(put, { key, payload: text("v".repeat(1048576)) })).toMatchObject({ applied: true });
    const requestId = { clientId: "c".repeat(64), sequence: 2n ** 53n - 1n, firstPendingSequence: 1n };
    expect(await call(put, { key: "ä".repeat(2048), requestId })).toMatchObject({ applied: true });
  });
});

describe("a proposal that fails", () => {
  const dropped: readonly [DropReason, status, RegExp][] = [
    ["NO_LEADER", status.UNAVAILABLE, /no leader is known, or it cannot be reached, in term 7/],
    ["NOT_LEADER", status.UNAVAILABLE, /the leader is 00000000000000b2 at n2.test:50051/],
    ["OVERLOADED", status.RESOURCE_EXHAUSTED, /limit/],
    ["SHUTTING_DOWN", status.UNAVAILABLE, /shutting down/],
    ["PROPOSAL_DROPPED", status.ABORTED, /index 5 of term 6/],
    ["DEADLINE_EXCEEDED", status.DEADLINE_EXCEEDED, /not applied/],
  ];
  test.each(dropped)("dropped for %s says that it was not applied", async (reason, code, message) => {
    const { call, replica } = await startServer();
    replica.become({ leaderId: otherId, role: "follower" });
    replica.outcome = { type: "dropped", reason, index: 5, term: 6 };
    const error = await failureOf(call(put, { key: "k" }));
    expect(error).toMatchObject({ code, reason });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/not applied/);
  });

  test("tells when to try again where waiting helps, and who leads where asking elsewhere does", async () => {
    const { call, replica } = await startServer();
    replica.outcome = { type: "dropped", reason: "NO_LEADER", index: 0, term: 0 };
    expect((await failureOf(call(put, { key: "k" }))).retryDelayMs).toBe(500);
    replica.become({ leaderId: otherId, role: "follower" });
    replica.outcome = { type: "dropped", reason: "NOT_LEADER", index: 0, term: 0 };
    const error = await failureOf(call(put, { key: "k" }));
    expect(error.facts).toEqual({ leader_id: otherId, leader_address: "n2.test:50051", term: "7" });
    expect(error.retryDelayMs).toBeUndefined();
  });

  test("with an unknown outcome says so, and never UNAVAILABLE", async () => {
    const { call, replica } = await startServer();
    replica.outcome = { type: "unknown", index: 5, term: 6 };
    const error = await failureOf(call(increment, { key: "k" }));
    expect(error).toMatchObject({ code: status.DEADLINE_EXCEEDED, reason: "OUTCOME_UNKNOWN" });
    expect(error.facts).toEqual({ index: "5", term: "6" });
    expect(error.message).toContain("(index 5, term 6)");
  });

  test("with an unknown outcome names no entry that nobody knows", async () => {
    const { call, replica } = await startServer();
    replica.outcome = { type: "unknown", index: 0, term: 0 };
    const error = await failureOf(call(increment, { key: "k" }));
    expect(error).toMatchObject({ reason: "OUTCOME_UNKNOWN", facts: {} });
    expect(error.message).toMatch(/passed on to the leader and may have been/);
    expect(error.message).not.toMatch(/index|term/);
  });

  const refusals: readonly [CommandFailureReason, status][] = [
    [CommandFailureReason.NOT_AN_INTEGER, status.FAILED_PRECONDITION],
    [CommandFailureReason.INTEGER_OVERFLOW, status.OUT_OF_RANGE],
    [CommandFailureReason.SESSION_EXPIRED, status.FAILED_PRECONDITION],
    [CommandFailureReason.SEQUENCE_ANSWERED, status.FAILED_PRECONDITION],
    [CommandFailureReason.SEQUENCE_REUSED, status.FAILED_PRECONDITION],
    [CommandFailureReason.TOO_MANY_PENDING, status.RESOURCE_EXHAUSTED],
    [CommandFailureReason.TOO_MANY_SESSIONS, status.RESOURCE_EXHAUSTED],
  ];
  test.each(refusals)("by the state machine's refusal %i has that as its reason", async (failure, code) => {
    const { call, replica } = await startServer();
    const value = { reason: failure, message: "why and the limit" };
    replica.result = create(CommandResultSchema, { revision: 1n, result: { case: "failure", value } });
    const error = await failureOf(call(increment, { key: "k" }));
    expect(error).toMatchObject({ code, reason: CommandFailureReason[failure], message: "why and the limit" });
  });
});

describe("a deadline", () => {
  const proposedFor = async (settings: CallSettings) => {
    const { call, replica } = await startServer();
    await call(put, { key: "k" }, settings);
    return (replica.proposals[0]?.options.deadlineMs ?? 0) - replica.now();
  };

  test("that is missing is ten seconds", async () => {
    const remaining = await proposedFor({});
    expect(remaining).toBeGreaterThan(5_000);
    expect(remaining).toBeLessThanOrEqual(10_000);
  });

  test("is handed on, less what the answer needs to arrive in time", async () => {
    const remaining = await proposedFor({ deadline: Date.now() + 30_000 });
    expect(remaining).toBeGreaterThan(15_000);
    expect(remaining).toBeLessThanOrEqual(29_950);
  });

  test("beyond the longest is cut to it", async () => {
    expect(await proposedFor({ deadline: Date.now() + 3_600_000 })).toBeLessThanOrEqual(60_000);
  });
});

describe("a read", () => {
  test("that cannot be confirmed fails for the reason that it has", async () => {
    const { call, replica } = await startServer();
    replica.readOutcome = "NO_LEADER";
    const error = await failureOf(call(get, { key: "k" }));
    expect(error).toMatchObject({ code: status.UNAVAILABLE, reason: "NO_LEADER", retryDelayMs: 500 });
  });

  test("trap 52: is made anew when the lease that stood for it is over by the time it was served", async () => {
    const { call, replica, metrics } = await startServer();
    await call(put, { key: "k", payload: text("new") });
    replica.leaseLapses = 2;
    expect(await call(get, { key: "k" })).toMatchObject({ kv: { payload: text("new") } });
    expect(replica.reads).toHaveLength(3);
    expect(await metrics.expose("prometheus")).toContain(
      'raftkv_store_operations_total{operation="get",consistency="linearizable"} 1\n',
    );
  });

  test("that is linearizable asks for a read index, and a stale one does not", async () => {
    const { call, replica } = await startServer();
    await call(get, { key: "k" });
    expect(replica.reads).toHaveLength(1);
    await call(get, { key: "k", read: { consistency: ReadConsistency.STALE } });
    expect(replica.reads).toHaveLength(1);
  });

  test("may not be older than the caller allows", async () => {
    const { call, replica } = await startServer();
    const read = { consistency: ReadConsistency.STALE, maxStaleness: { nanos: 500_000_000 } };
    replica.become({ leaderContactAgeMs: 500 });
    expect(await call(get, { key: "k", read })).toMatchObject({ found: false });
    replica.become({ leaderContactAgeMs: 501 });
    const error = await failureOf(call(get, { key: "k", read }));
    expect(error).toMatchObject({ code: status.UNAVAILABLE, reason: "TOO_STALE" });
    expect(error.facts).toEqual({ age_ms: "501", max_staleness_ms: "500", caught_up: "true" });
    replica.become({ leaderContactAgeMs: null });
    expect((await failureOf(call(get, { key: "k", read }))).message).toMatch(/no leader since it started/);
  });

  test("that bounds its staleness is refused until the member has caught up since its start", async () => {
    const { call, replica } = await startServer();
    const stale = { consistency: ReadConsistency.STALE };
    const bounded = { ...stale, maxStaleness: { seconds: 60n } };
    replica.become({ caughtUp: false, leaderContactAgeMs: 1 });
    const error = await failureOf(call(get, { key: "k", read: bounded }));
    expect(error).toMatchObject({ reason: "TOO_STALE", message: expect.stringContaining("has not caught up") });
    expect(error.facts).toEqual({ age_ms: "1", max_staleness_ms: "60000", caught_up: "false" });
    expect(await call(get, { key: "k", read: stale })).toMatchObject({ found: false });
    replica.become({ caughtUp: true });
    expect(await call(get, { key: "k", read: bounded })).toMatchObject({ found: false });
  });

  test("waits for the revision that it names", async () => {
    const { call, replica } = await startServer();
    const waiting = call(get, { key: "k", read: { minRevision: 5n } });
    await expect.poll(() => replica.reads.length).toBe(1);
    replica.advanceTo(5);
    expect((await waiting).header?.revision).toBe(5n);
  });

  test("gives up when the revision is not reached in time", async () => {
    const { call } = await startServer({ limits: { defaultDeadlineMs: 50 } });
    const read = { consistency: ReadConsistency.STALE, minRevision: 5n };
    const error = await failureOf(call(get, { key: "k", read }));
    expect(error).toMatchObject({ code: status.UNAVAILABLE, reason: "REVISION_NOT_REACHED" });
    expect(error.facts).toEqual({ revision: "0", min_revision: "5" });
  });
});

test("metadata raftkv-no-forward keeps a request at the member that got it", async () => {
  const { call, replica } = await startServer();
  await call(put, { key: "k" });
  await call(put, { key: "k" }, { metadata: { "raftkv-no-forward": "1" } });
  await call(get, { key: "k" }, { metadata: { "raftkv-no-forward": "1" } });
  expect(replica.proposals.map(({ options }) => options.forward)).toEqual([true, false]);
  expect(replica.reads.map(({ forward }) => forward)).toEqual([false]);
});
