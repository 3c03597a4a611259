import { once } from "node:events";
import { createServer } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ClientReadableStream, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  Health,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ClusterService } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { RaftKvError } from "../../src/lib/errors.ts";
import { methodPath } from "../../src/server/service-definition.ts";
import { otherId, selfId } from "../server/fake-replica.ts";
import { CallError, failureOf, newClient, type ServerHarness, startServer } from "../server/server-harness.ts";

const { check, list } = Health.method;

/** A health watch: what it has told, and how it ended. */
function watchHealth({ client }: ServerHarness, service: string) {
  const statuses: Serving[] = [];
  const stream: ClientReadableStream<HealthCheckResponse> = client.makeServerStreamRequest(
    methodPath(Health.method.watch),
    (request: Uint8Array) => Buffer.from(request),
    (bytes) => fromBinary(HealthCheckResponseSchema, bytes),
    toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service })),
  );
  const ended = new Promise<CallError>((resolve) => {
    stream.on("error", (error) => resolve(new CallError(error as ServiceError)));
  });
  stream.on("data", ({ status: told }: HealthCheckResponse) => statuses.push(told));
  return { statuses, ended, cancel: () => stream.cancel() };
}

describe("health", () => {
  test("tells of the server, its services and the leadership", async () => {
    const { call, replica } = await startServer();
    const services = ["KvService", "ClusterService", "MaintenanceService", "Leader"].map((name) => `raftkv.v1.${name}`);
    for (const service of ["", ...services]) {
      expect((await call(check, { service })).status, service).toBe(Serving.SERVING);
    }
    replica.become({ role: "follower", leaderId: otherId });
    expect((await call(check, { service: "raftkv.v1.Leader" })).status).toBe(Serving.NOT_SERVING);
    expect(Object.keys((await call(list, {})).statuses)).toHaveLength(5);
  });

  test("does not know other names", async () => {
    const harness = await startServer();
    const error = await failureOf(harness.call(check, { service: "other" }));
    expect(error).toMatchObject({ code: status.NOT_FOUND, reason: "SERVICE_UNKNOWN" });
    const watch = watchHealth(harness, "other");
    await expect.poll(() => watch.statuses).toEqual([Serving.SERVICE_UNKNOWN]);
    watch.cancel();
  });

  test("watched, tells each change, and ends at shutdown", async () => {
    const harness = await startServer();
    const watch = watchHealth(harness, "raftkv.v1.Leader");
    await expect.poll(() => watch.statuses).toEqual([Serving.SERVING]);
    harness.replica.become({ role: "follower", leaderId: otherId });
    harness.replica.become({ term: 8 });
    await expect.poll(() => watch.statuses).toEqual([Serving.SERVING, Serving.NOT_SERVING]);
    harness.replica.become({ role: "leader", leaderId: selfId });
    await expect.poll(() => watch.statuses.length).toBe(3);
    expect(await harness.server.drain(5_000)).toBe(true);
    expect(await watch.ended).toMatchObject({ code: status.UNAVAILABLE, reason: "SHUTTING_DOWN" });
    expect(watch.statuses.at(-1)).toBe(Serving.NOT_SERVING);
  });

  test("takes no more watches than its limit, and new ones when old ones have gone", async () => {
    const harness = await startServer({ limits: { healthWatchesMax: 1 } });
    const first = watchHealth(harness, "");
    await expect.poll(() => first.statuses.length).toBe(1);
    expect(await watchHealth(harness, "").ended).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      reason: "OVERLOADED",
    });
    first.cancel();
    await expect
      .poll(async () => {
        const next = watchHealth(harness, "");
        const told = await Promise.race([next.ended, expect.poll(() => next.statuses.length).toBe(1)]);
        next.cancel();
        return told instanceof CallError;
      })
      .toBe(false);
  });

  test("of the key-value service waits for the member to catch up, and outlives the loss of the leader", async () => {
    const { call, replica } = await startServer();
    const kv = async () => (await call(check, { service: "raftkv.v1.KvService" })).status;
    replica.become({ leaderId: null, role: "follower", caughtUp: true, leaderContactAgeMs: 60_000 });
    expect(await kv()).toBe(Serving.SERVING);
    replica.become({ caughtUp: false });
    expect(await kv()).toBe(Serving.SERVING);
  });
});

describe("cluster status", () => {
  test("describes the member that answers", async () => {
    const { call, replica } = await startServer();
    const told = await call(ClusterService.method.getStatus, {});
    expect(told).toMatchObject({
      name: "n1",
      version: "1.2.3",
      role: 4,
      commitIndex: 12n,
      appliedIndex: 12n,
      firstIndex: 1n,
      lastIndex: 13n,
      sessions: 2n,
      clientAddress: "n1.test:50051",
      maxValueBytes: 1n << 20n,
      problems: [],
    });
    expect(told.header).toMatchObject({ clusterId: "00000000000000c0", memberId: selfId, raftTerm: 7n });
    replica.become({ leaderId: null, role: "candidate" });
    expect((await call(ClusterService.method.getStatus, {})).problems).toEqual(["leader: no leader is known"]);
  });

  test("lists the members by name, with what the leader knows of them", async () => {
    const { call, replica } = await startServer();
    const { members, joint, configurationIndex } = await call(ClusterService.method.listMembers, {});
    expect({ joint, configurationIndex }).toEqual({ joint: false, configurationIndex: 1n });
    expect(members).toMatchObject([
      { memberId: selfId, name: "n1", leader: true, role: 1, matchIndex: 13n, clientAddress: "n1.test:50051" },
      { memberId: otherId, name: "n2", leader: false, role: 1, matchIndex: 11n, clientAddress: "n2.test:50051" },
    ]);
    expect(replica.reads).toHaveLength(1);
    replica.become({ role: "follower", leaderId: otherId, peers: [] });
    const seen = await call(ClusterService.method.listMembers, { read: { consistency: 3 } });
    expect(seen.members.map(({ lastContactTime, matchIndex }) => [lastContactTime, matchIndex])).toEqual([
      [undefined, 0n],
      [undefined, 0n],
    ]);
    expect(replica.reads).toHaveLength(1);
  });
});

describe("an address in use", () => {
  test.each(["clientAddress", "metricsAddress"])("as %s is named, and the other port is given up", async (which) => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    const bound = taken.address();
    const address = `127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
    const error: unknown = await startServer({ overrides: { [which]: address } }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(RaftKvError);
    expect(error).toMatchObject({ code: "ADDRESS_IN_USE" });
    expect(String(error)).toContain(address);
  });
});

describe("draining", () => {
  test("lets the calls under way finish and refuses new ones", async () => {
    const { server, call, replica } = await startServer();
    replica.holding = true;
    const underWay = call(KvService.method.put, { key: "k" });
    await expect.poll(() => replica.proposals.length).toBe(1);
    const drained = server.drain(5_000);
    for (const held of replica.proposals) replica.release(held);
    expect(await underWay).toMatchObject({ applied: true });
    expect(await drained).toBe(true);
  });

  test("cuts what does not finish in time", async () => {
    const { server, call, replica } = await startServer();
    replica.holding = true;
    const underWay = failureOf(call(KvService.method.put, { key: "k" }));
    await expect.poll(() => replica.proposals.length).toBe(1);
    expect(await server.drain(50)).toBe(false);
    // The client's library makes the code up from the broken connection; in none of its words was anything promised.
    expect([status.CANCELLED, status.UNAVAILABLE]).toContain((await underWay).code);
    // The outcome arrives when nobody waits any more, and does no harm.
    for (const held of replica.proposals) replica.release(held);
  });

  test("is done once, however often it is asked for", async () => {
    const { server, clientAddress } = await startServer();
    expect(await Promise.all([server.drain(1_000), server.drain(1)])).toEqual([true, true]);
    await server.close();
    await server.close();
    const client = newClient(clientAddress);
    const ready = new Promise((resolve) => client.waitForReady(Date.now() + 200, resolve));
    expect(await ready).toBeInstanceOf(Error);
    client.close();
  });
});
