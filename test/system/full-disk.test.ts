// A member's data directory on a file system of a few MiB in memory, with nothing held back (storage-reserve 0): the disk is
// really full then, and the engine's write fails.

import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { answerOf } from "../lib/rpc-client.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { makeOwnMounts, type OwnMounts, whyNoMounts } from "./own-mounts.ts";
import { callUntilAnswered } from "./retrying-client.ts";
import { runRaftkv } from "./run-raftkv.ts";
import { layOutCluster } from "./start-cluster.ts";

const obstacle = whyNoMounts();
const mebibyte = 2 ** 20;
const smallBytes = 6 * mebibyte;
const mediumBytes = 16 * mebibyte;
const ampleBytes = 512 * mebibyte;
const valueBytes = 128 * 1024;

const valueAt = (number: number) => `${number} `.padEnd(valueBytes, "v");

/** Writes values one after the other and notes which were acknowledged. */
class Filler {
  readonly #cluster: ProcessCluster;
  readonly acknowledged: string[] = [];
  #next = 0;

  constructor(cluster: ProcessCluster) {
    this.#cluster = cluster;
  }

  /** One more value; an attempt that may or may not have been applied counts for nothing. */
  async put(giveUpMs?: number): Promise<void> {
    const number = this.#next++;
    const requestId = { clientId: "filler", sequence: BigInt(number + 1), firstPendingSequence: BigInt(number + 1) };
    const request = { key: `fill/${number}`, payload: { case: "value", value: valueAt(number) }, requestId } as const;
    await callUntilAnswered(this.#cluster.members, number, KvService.method.put, request, giveUpMs);
    this.acknowledged.push(request.key);
  }

  /** Every member has everything that was acknowledged: each answers from its own state. */
  async expectAll(): Promise<void> {
    for (const { name, client } of this.#cluster.members) {
      for (const key of this.acknowledged) {
        const { kv } = answerOf(await client.call(KvService.method.get, { key }));
        expect(kv?.payload.value === valueAt(Number(key.split("/")[1])), `${key} at ${name}`).toBe(true);
      }
    }
  }
}

/** That a member ended because its disk is full, and said what to do. */
async function expectEndedFull(member: ClusterMember, cluster: ProcessCluster): Promise<void> {
  const { exited, output } = cluster.process(member.name);
  expect(await exited).toEqual({ code: 1, signal: null });
  const line: unknown = JSON.parse(output.findLast((each) => each.includes('"level":"fatal"')) ?? "{}");
  expect(line).toMatchObject({
    code: expect.stringMatching(/^(WRITE_FAILED|DIRECTORY_UNUSABLE)$/),
    msg: expect.stringMatching(/No space left on device.*bytes left: make room there and start the member again/i),
  });
  expect(line).toMatchObject({ msg: expect.stringContaining(`the disk of ${member.dataDirectory} has `) });
}

async function clusterOnSmallDisks(mounts: OwnMounts, engine: string, bytesOf: (name: string) => number) {
  const cluster = await layOutCluster({
    serveFlags: ["--storage-engine", engine, "--storage-reserve", "0B"],
    runner: () => mounts.runner,
  });
  for (const { name, dataDirectory } of cluster.members) mounts.mount(dataDirectory, bytesOf(name));
  await cluster.start();
  await cluster.waitForLeader();
  return cluster;
}

/**
 * Starts the members that ended because their disk was full, until all run and have the leader's last entry: one whose write failed
 * just before there was room again is still on its way out when the others are started.
 */
async function startWhoEnded(cluster: ProcessCluster): Promise<void> {
  const allRun = async (): Promise<boolean> => {
    const ended = cluster.members.filter(({ name }) => !cluster.process(name).isRunning());
    for (const member of ended) await expectEndedFull(member, cluster);
    if (ended.length > 0) await cluster.start(...ended.map(({ name }) => name));
    await cluster.waitUntilCaughtUp();
    return cluster.running().length === cluster.members.length;
  };
  await waitUntil(allRun, { what: "all members run", timeoutMs: 60_000 });
}

describe.each(["classic-level", "rocksdb"])("a disk that is really full, under %s", (engine) => {
  test("trap 70: stops its member, clearly; the others go on, and it comes back when there is room", async (context) => {
    context.skip(obstacle !== undefined, obstacle);
    const mounts = await makeOwnMounts();
    const cluster = await clusterOnSmallDisks(mounts, engine, (name) => (name === "n3" ? smallBytes : ampleBytes));
    const small = cluster.member("n3");
    const filler = new Filler(cluster);
    cluster.mayEnd(small.name);
    while (cluster.process(small.name).isRunning()) await filler.put();
    await expectEndedFull(small, cluster);

    for (let more = 0; more < 10; more++) await filler.put();
    // Without room it ends again, and has lost nothing by trying.
    await cluster.start(small.name);
    cluster.mayEnd(small.name);
    await expectEndedFull(small, cluster);
    mounts.resize(small.dataDirectory, ampleBytes);
    await cluster.start(small.name);
    await cluster.waitUntilCaughtUp();
    await filler.expectAll();
  });
});

// One engine is enough for what differs from the above only in how many members it hits.
test("a disk that is really full, of every member: writes are refused, and all that was acknowledged is there when there is room again", async (context) => {
  context.skip(obstacle !== undefined, obstacle);
  const mounts = await makeOwnMounts();
  const cluster = await clusterOnSmallDisks(mounts, "classic-level", () => mediumBytes);
  cluster.mayEnd(...cluster.members.map(({ name }) => name));
  const filler = new Filler(cluster);
  const full = async () => {
    await filler.put(500);
    return cluster.running().length < 2;
  };
  await waitUntil(() => full().catch(() => cluster.running().length < 2), {
    what: "no majority",
    timeoutMs: 60_000,
  });
  for (const member of cluster.members) {
    if (!cluster.process(member.name).isRunning()) await expectEndedFull(member, cluster);
    const request = { key: "one more", payload: { case: "value", value: "x" } } as const;
    const result = await member.client.call(KvService.method.put, request, 1_000);
    expect(result).toMatchObject({ ok: false });
    if (!result.ok) expect([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]).toContain(result.code);
  }
  for (const { dataDirectory } of cluster.members) mounts.resize(dataDirectory, ampleBytes);
  await startWhoEnded(cluster);
  await filler.expectAll();
  await filler.put();
  expect(filler.acknowledged.length).toBeGreaterThan(20);
});

test("a disk without room for a snapshot makes its member wait, and the member catches up when there is room", async (context) => {
  context.skip(obstacle !== undefined, obstacle);
  const mounts = await makeOwnMounts();
  const cluster = await clusterOnSmallDisks(mounts, "classic-level", (name) =>
    name === "n3" ? smallBytes : ampleBytes,
  );
  const small = cluster.member("n3");
  await cluster.kill(small.name);
  const filler = new Filler(cluster);
  while (filler.acknowledged.length * valueBytes < 2 * smallBytes) await filler.put();
  // What it lacks is in no log any more.
  const [witness] = cluster.running() as [ClusterMember];
  await runRaftkv(witness, "compact", "n1", "--trailing-entries", "0");
  await runRaftkv(witness, "compact", "n2", "--trailing-entries", "0");

  await cluster.start(small.name);
  const isWaiting = async () =>
    sumSamples(parseMetrics(await cluster.metrics(small)), "raftkv_snapshot_waits_for_space") === 1;
  await waitUntil(() => isWaiting().catch(() => false), { what: "the member waits for room" });
  const { output } = cluster.process(small.name);
  expect(output.some((line) => line.includes("the disk has no room for a snapshot"))).toBe(true);
  mounts.resize(small.dataDirectory, ampleBytes);
  await cluster.waitUntilCaughtUp();
  expect(await isWaiting()).toBe(false);
  await filler.expectAll();
});
