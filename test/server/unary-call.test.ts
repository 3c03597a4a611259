import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { defaultServerLimits } from "../../src/server/server-limits.ts";
import { Received } from "../../src/server/service-definition.ts";
import { type CallEnvironment, type UnaryCall, unaryHandler } from "../../src/server/unary-call.ts";
import { FakeReplica, testIdentity } from "./fake-replica.ts";

type Answered = { readonly code?: number } | null;

function arrive(change: { cancelled?: boolean; draining?: boolean } = {}) {
  const environment: CallEnvironment = {
    replica: new FakeReplica(),
    identity: testIdentity,
    electionTimeoutMs: 1000,
    limits: defaultServerLimits,
    logger: silentLogger,
    inFlightCalls: 0,
    inFlightBytes: 0,
    draining: change.draining ?? false,
    onRefused: () => {},
  };
  const handled: UnaryCall<object, string>[] = [];
  const answers: Answered[] = [];
  const call = {
    request: new Received({}, 100),
    cancelled: change.cancelled ?? false,
    metadata: new Metadata(),
    getDeadline: () => Number.POSITIVE_INFINITY,
    getPath: () => "/test/Test",
  } as unknown as ServerUnaryCall<Received<object>, string>;
  unaryHandler<object, string>(environment, (each) => void handled.push(each))(
    call,
    (error) => void answers.push(error),
  );
  const [unary] = handled;
  return { environment, unary, answers };
}

describe("a unary call", () => {
  test("whose caller has gone does not reach its handler", () => {
    const { unary, answers, environment } = arrive({ cancelled: true });
    expect(unary).toBeUndefined();
    expect(answers).toEqual([]);
    expect(environment.inFlightCalls).toBe(0);
  });

  test("is refused while the member drains", () => {
    const { unary, answers } = arrive({ draining: true });
    expect(unary).toBeUndefined();
    expect(answers).toMatchObject([{ code: 14 }]);
  });

  test("is answered once, and counted until then", () => {
    const { unary, answers, environment } = arrive();
    expect(environment).toMatchObject({ inFlightCalls: 1, inFlightBytes: 100 });
    unary?.answer("first");
    unary?.refuse({ reason: "NO_LEADER", message: "second" });
    unary?.fail(new Error("third"));
    expect(answers).toEqual([null]);
    expect(environment).toMatchObject({ inFlightCalls: 0, inFlightBytes: 0 });
  });

  test("ends as an internal error when a later step throws", () => {
    const { unary, answers, environment } = arrive();
    unary?.proceed(() => {
      throw new Error("secret");
    });
    expect(answers).toMatchObject([{ code: 13 }]);
    expect(JSON.stringify(answers)).not.toContain("secret");
    expect(environment.inFlightCalls).toBe(0);
  });
});
