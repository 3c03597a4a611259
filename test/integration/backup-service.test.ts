import { describe, expect, onTestFinished, test } from "vitest";
import { type BackupStream, openBackupStream } from "../../src/client/backup-stream.ts";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { pairKey } from "../../src/kv/row-keys.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { readBackup } from "../../src/storage/read-backup.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { startServer } from "../server/server-harness.ts";
import { bootstrapConfiguration, openOver } from "../storage/store-fixture.ts";
import { GrpcCluster, type GrpcMember } from "./grpc-cluster.ts";

const options = { stale: false, timeoutMs: 10_000 };

const put = (member: GrpcMember, key: string, value: string) =>
  member.call(KvService.method.put, { key, payload: { case: "value", value } });

const metricOf = async (member: GrpcMember, name: string, labels: Record<string, string> = {}) =>
  sumSamples(parseMetrics(await member.expose()), name, labels);

const valueBytes = 512 * 1024;

/** More values than a client takes ahead of its reader, which is 16 pieces of a backup: its sender has to wait. */
const many = 40;

/** A cluster with `count` keys. */
async function filledCluster(count: number) {
  const cluster = await new GrpcCluster().start({});
  const leader = await cluster.leader();
  const value = "v".repeat(valueBytes);
  await Promise.all(Array.from({ length: count }, (_, number) => put(leader, `fill/${number}`, value)));
  const [follower] = cluster.members.filter((member) => member !== leader);
  if (follower === undefined) throw new Error("there are three members");
  return { cluster, leader, follower };
}

/** A backup that has begun and of which nothing more is read for now; left alone when the test ends. */
async function held(member: GrpcMember): Promise<BackupStream> {
  const stream = await openBackupStream(member.clientAddress, options);
  onTestFinished(() => leave(stream));
  return stream;
}

/** Stops reading before the end, as a client does that goes away. */
async function leave({ pieces }: BackupStream): Promise<void> {
  await pieces[Symbol.asyncIterator]().return?.();
}

describe("Backup", () => {
  test("has every write acknowledged before it, none of those after its revision, and is whole, under writes", async () => {
    const { leader, follower } = await filledCluster(20);
    let stopped = false;
    let acknowledged = 0;
    const writing = (async () => {
      for (let number = 0; !stopped; number++) {
        await put(leader, `count/${number}`, String(number));
        acknowledged = number + 1;
      }
    })();
    await waitUntil(() => acknowledged > 20, { what: "writes go on" });
    const before = acknowledged;
    // Asked of a follower, which has to ask the leader first.
    const stream = await openBackupStream(follower.clientAddress, options);
    const rows: Row[] = [];
    const { facts, totals } = await readBackup(stream.pieces, { rows: async (page) => void rows.push(...page) });
    stopped = true;
    await writing;

    expect({ revision: facts.revision, index: facts.base.index }).toEqual({
      revision: stream.revision,
      index: stream.index,
    });
    expect(totals.rows).toBe(rows.length);
    const values = new Map(rows.map(([key, value]) => [Buffer.from(key).toString("latin1"), value]));
    const has = (key: string): boolean => values.has(Buffer.from(pairKey(Buffer.from(key))).toString("latin1"));
    for (let number = 0; number < before; number++) expect(has(`count/${number}`), `count/${number}`).toBe(true);
    // Writes follow one another, so that what is there has no gap: revision N has the first N of them.
    const counted = [...Array(acknowledged).keys()].filter((number) => has(`count/${number}`)).length;
    expect(20 + counted).toBe(stream.revision);
    expect(await metricOf(follower, "raftkv_backups_total", { result: "sent" })).toBe(1);
    expect(await metricOf(follower, "raftkv_backup_sent_bytes_total")).toBeGreaterThan(20 * valueBytes);
    const ageSeconds = Date.now() / 1000 - (await metricOf(follower, "raftkv_backup_last_success_timestamp_seconds"));
    expect(ageSeconds).toBeLessThan(60);
  });

  test("that its reader leaves gives back what it holds, and is counted as broken off", async () => {
    const { leader } = await filledCluster(many);
    const stream = await held(leader);
    expect(await metricOf(leader, "raftkv_backups_inflight")).toBe(1);
    await leave(stream);
    await waitUntil(async () => (await metricOf(leader, "raftkv_backups_inflight")) === 0, { what: "it has ended" });
    expect(await metricOf(leader, "raftkv_backups_total", { result: "broken_off" })).toBe(1);
    expect(await metricOf(leader, "raftkv_backups_total", { result: "sent" })).toBe(0);
    expect(await metricOf(leader, "raftkv_backup_last_success_timestamp_seconds")).toBe(0);
  });

  test("is refused while two are under way, and possible again when one of them has ended", async () => {
    const { leader } = await filledCluster(many);
    const [first] = [await held(leader), await held(leader)];
    await expect(held(leader)).rejects.toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "OVERLOADED",
      message: expect.stringContaining("2 backups are under way; the limit is 2"),
    });
    await put(leader, "meanwhile", "goes on");
    await leave(first);
    await waitUntil(async () => (await metricOf(leader, "raftkv_backups_inflight")) === 1, { what: "one has ended" });
    await readBackup((await held(leader)).pieces);
  });

  test("is refused when its member has as many openings of the state waiting as may", async () => {
    const { replica, clientAddress } = await startServer();
    replica.openOutcome = { type: "overloaded", limit: 256 };
    await expect(openBackupStream(clientAddress, { ...options, stale: true })).rejects.toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "OVERLOADED",
      message: expect.stringContaining("256 backups wait"),
    });
  });

  test("of a member that has applied nothing yet is refused, and holds nothing", async () => {
    const { replica, clientAddress } = await startServer();
    const snapshot = (await openOver(new MemoryRows())).openSnapshot();
    let closed = false;
    const close = async () => {
      closed = true;
    };
    const configuration = { index: 0, configuration: bootstrapConfiguration };
    const state = { base: { index: 0, term: 0, configuration }, snapshot: { ...snapshot, close } };
    replica.openOutcome = { type: "opened", state };
    await expect(openBackupStream(clientAddress, { ...options, stale: true })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "NO_LEADER",
      message: expect.stringContaining("has no state yet; ask another member"),
    });
    expect(closed).toBe(true);
  });

  test("of a member without a quorum is refused, unless it may be stale", async () => {
    const { cluster, follower } = await filledCluster(1);
    await waitUntil(() => follower.replica.status().appliedIndex > 1, { what: "the write is applied" });
    for (const member of cluster.members) cluster.cut(member);
    await waitUntil(() => follower.replica.status().leaderId === null, { what: "nobody leads" });
    const refused = openBackupStream(follower.clientAddress, options);
    await expect(refused).rejects.toMatchObject({ reason: expect.stringMatching(/NO_LEADER|DEADLINE_EXCEEDED/) });
    const stream = await openBackupStream(follower.clientAddress, { ...options, stale: true });
    expect((await readBackup(stream.pieces)).facts.revision).toBe(1);
  });
});
