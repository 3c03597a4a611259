import { afterEach, describe, expect, test } from "vitest";
import { ClientError } from "../../src/client/client-error.ts";
import { createClient, type RaftKvClient } from "../../src/client/raftkv-client.ts";
import { ReadConsistency, type RequestId } from "../../src/gen/raftkv/v1/common_pb.ts";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { deadAddress, type FakeMethod, on, refusal, startFakeMember } from "./fake-member.ts";

const { put, get, increment } = KvService.method;
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function member(...methods: FakeMethod[]): Promise<string> {
  const { address, stop } = await startFakeMember(methods);
  closing.push(stop);
  return address;
}

function client(
  endpoints: [string, ...string[]],
  options: { timeoutMs?: number; attemptTimeoutMs?: number } = {},
): RaftKvClient {
  const made = createClient({ endpoints, ...options });
  closing.push(() => made.close());
  return made;
}

async function failure(promise: Promise<unknown>): Promise<ClientError> {
  const error = await promise.then(
    () => new Error("resolved"),
    (reason: unknown) => reason,
  );
  if (error instanceof ClientError) return error;
  throw error;
}

/** A Put that first fails in the given ways, then applies; keeps the request ids that it saw. */
function failingPut(...failures: Error[]) {
  const seen: (RequestId | undefined)[] = [];
  const method = on(put, (request) => {
    seen.push(request.requestId);
    const next = failures.shift();
    if (next !== undefined) throw next;
    return { applied: true, header: { revision: 9n } };
  });
  return { method, seen };
}

describe("a write", () => {
  test("is retried under the same request id until it is applied", async () => {
    const { method, seen } = failingPut(
      refusal("UNAVAILABLE", "NO_LEADER"),
      refusal("UNAVAILABLE"),
      refusal("DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN"),
      refusal("ABORTED", "PROPOSAL_DROPPED"),
      refusal("RESOURCE_EXHAUSTED", "OVERLOADED", 1),
      refusal("INTERNAL"),
    );
    const address = await member(method);
    const result = await client([address, address, address, address, address, address, address]).put("k", "v");
    expect(result).toEqual({ applied: true, revision: 9, previous: null });
    expect(seen).toHaveLength(7);
    expect(new Set(seen.map((id) => `${id?.clientId} ${id?.sequence} ${id?.firstPendingSequence}`)).size).toBe(1);
    expect(seen[0]).toMatchObject({ clientId: expect.stringMatching(/^[0-9a-f]{32}$/), sequence: 1n });
  });

  test("goes to the next endpoint when one is down or hangs", async () => {
    const { method, seen } = failingPut();
    const hanging = await member(on(put, () => new Promise(() => {})));
    const kv = client([await deadAddress(), hanging, await member(method)], { attemptTimeoutMs: 100 });
    await kv.put("a", "1");
    await kv.put("b", "2");
    expect(seen.map((id) => [id?.sequence, id?.firstPendingSequence])).toEqual([
      [1n, 1n],
      [2n, 2n],
    ]);
  });

  test("tells the lowest sequence that still waits", async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const seen: (bigint | undefined)[] = [];
    const address = await member(
      on(put, async (request) => {
        seen.push(request.requestId?.firstPendingSequence);
        if (request.key === "first") await gate;
        return { applied: true };
      }),
    );
    const kv = client([address]);
    const first = kv.put("first", "");
    await kv.put("second", "");
    open();
    await first;
    await kv.put("third", "");
    expect(seen).toEqual([1n, 1n, 3n]);
  });

  test.each([
    ["refused by the service", refusal("FAILED_PRECONDITION", "SEQUENCE_REUSED"), "not-applied", "SEQUENCE_REUSED"],
    ["refused before it was read", refusal("INVALID_ARGUMENT"), "not-applied", null],
    ["failed inside the service", refusal("INTERNAL", "INTERNAL"), "unknown", "INTERNAL"],
    ["damaged data", refusal("DATA_LOSS", "CORRUPT"), "unknown", "CORRUPT"],
  ])("%s is not retried", async (_, refused, outcome, reason) => {
    const { method, seen } = failingPut(refused);
    const error = await failure(client([await member(method)]).put("k", "v"));
    expect([error.outcome, error.reason, seen.length]).toEqual([outcome, reason, 1]);
  });

  test("whose session has ended goes on under a new one", async () => {
    const { method, seen } = failingPut(refusal("FAILED_PRECONDITION", "SESSION_EXPIRED"));
    const kv = client([await member(method)]);
    expect(await kv.put("k", "v")).toMatchObject({ applied: true });
    await kv.put("k", "v");
    const ids = seen.map((id) => [id?.sequence, id?.firstPendingSequence]);
    expect(ids).toEqual([
      [1n, 1n],
      [1n, 1n],
      [2n, 2n],
    ]);
    expect(seen[1]?.clientId).not.toBe(seen[0]?.clientId);
    expect(seen[2]?.clientId).toBe(seen[1]?.clientId);
  });

  test("carries reason and metadata of the refusal", async () => {
    const { method } = failingPut(refusal("INVALID_ARGUMENT", "VALUE_TOO_LARGE"));
    const error = await failure(client([await member(method)]).put("k", "v"));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "VALUE_TOO_LARGE", metadata: { limit: "7" } });
    expect(error.message).toMatch(/^127\.0\.0\.1:\d+: refused with INVALID_ARGUMENT$/);
  });

  test("that never left is known not to be applied", async () => {
    const error = await failure(client([await deadAddress()], { timeoutMs: 200 }).put("k", "v"));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: null, outcome: "not-applied" });
  });

  test("that may have arrived once stays unknown, whatever is answered later", async () => {
    const { method, seen } = failingPut(refusal("UNAVAILABLE"), refusal("FAILED_PRECONDITION", "SESSION_EXPIRED"));
    const kv = client([await member(method)]);
    expect(await failure(kv.put("k", "v"))).toMatchObject({ reason: "SESSION_EXPIRED", outcome: "unknown" });
    expect(seen).toHaveLength(2);
    expect(await kv.put("k", "v")).toMatchObject({ applied: true });
  });

  test("without an answer in time is unknown", async () => {
    const hanging = await member(on(put, () => new Promise(() => {})));
    const error = await failure(client([hanging], { timeoutMs: 150 }).put("k", "v"));
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "unknown" });
  });

  test("of a key with a lone surrogate is refused here", async () => {
    const error = await failure(client([await deadAddress()]).put("\ud800", "v"));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", outcome: "not-applied" });
  });

  test("carries condition, delta and value as given", async () => {
    const address = await member(
      on(put, ({ payload, ifModRevision, returnPrevious }) => {
        expect([payload, ifModRevision, returnPrevious]).toEqual([
          { case: "binaryValue", value: Buffer.from([255]) },
          0n,
          true,
        ]);
        return {
          applied: false,
          previous: { key: "k", payload: { case: "value" as const, value: "old" }, modRevision: 4n },
        };
      }),
      on(increment, ({ delta, ifModRevision }) => ({
        applied: true,
        value: (delta ?? 0n) * 2n,
        header: { revision: ifModRevision ?? 1n },
      })),
    );
    const kv = client([address]);
    expect(await kv.put("k", Uint8Array.of(255), { ifModRevision: 0, returnPrevious: true })).toMatchObject({
      applied: false,
      previous: { key: "k", value: "old", modRevision: 4 },
    });
    expect(await kv.increment("k", -(2n ** 62n))).toMatchObject({ value: -(2n ** 63n), revision: 1 });
  });
});

describe("a read", () => {
  test("is retried, and its failure never leaves an unknown outcome", async () => {
    const failures = [refusal("UNAVAILABLE"), refusal("UNAVAILABLE", "NO_LEADER"), refusal("INTERNAL", "INTERNAL")];
    const failing = on(get, () => {
      throw failures.shift() ?? new Error("asked too often");
    });
    const error = await failure(client([await member(failing)]).get("k"));
    expect([error.code, error.outcome, failures.length]).toEqual(["INTERNAL", "not-applied", 0]);
  });

  test("asks for the consistency wanted, and copies binary values", async () => {
    const asked: (ReadConsistency | undefined)[] = [];
    const address = await member(
      on(get, ({ key, read }) => {
        asked.push(read?.consistency);
        return key === "none"
          ? { found: false, header: { revision: 3n } }
          : {
              found: true,
              kv: { key, payload: { case: "binaryValue" as const, value: Uint8Array.of(1, 2) }, version: 1n },
            };
      }),
    );
    const kv = client([address]);
    expect(await kv.get("none")).toEqual({ entry: null, revision: 3 });
    const { entry } = await kv.get("k", { consistency: "stale" });
    expect(entry?.value).toEqual(Uint8Array.of(1, 2));
    expect(asked).toEqual([ReadConsistency.LINEARIZABLE, ReadConsistency.STALE]);
  });
});
