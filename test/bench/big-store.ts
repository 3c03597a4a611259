import { rm } from "node:fs/promises";
import { join } from "node:path";
import { MaintenanceService } from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import type { EngineName } from "../../src/storage/engine-directory.ts";
import { startProcess } from "../lib/child-process.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import {
  type ClusterMember,
  createProcessCluster,
  type ProcessCluster,
  raftkvCommand,
} from "../lib/process-cluster.ts";
import { answerOf } from "../lib/rpc-client.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { runRaftkv } from "../system/run-raftkv.ts";
import { writeBackupOfKeys } from "./backup-of-keys.ts";
import { type KeyLoad, loadKeys } from "./key-load.ts";
import {
  diskBytes,
  type ResidentMemory,
  residentMemory,
  watchMemory,
  writtenBytes,
  writtenUntil,
} from "./process-figures.ts";

const loadInFlight = 512;
/** A member takes 128 calls at once on one connection. */
const loadConnections = 4;
/** For what takes long with many keys. */
const patienceMs = 30 * 60_000;

/** A restart of a follower. */
export interface RestartFigures {
  /** From starting the process until it says that it is ready. */
  readonly readyMs: number;
  /** Entries of the log that were not in its durable state. */
  readonly appliedAgain: number;
}

/** How a follower came from nothing to everything. */
export interface CatchUpFigures {
  /** Bytes of rows or files that it fetched. */
  readonly bytes: number;
  readonly transferMs: number;
  readonly caughtUpMs: number;
  readonly writesPerSecond: number;
  readonly retries: number;
  readonly elections: number;
  readonly leader: { readonly before: ResidentMemory; readonly most: ResidentMemory };
  readonly follower: { readonly most: ResidentMemory };
}

/** How the keys come into the store: by Put, or by a restore of a backup that holds them. */
export type LoadKind = "put" | "restore";

/** What is loaded. */
export interface BigLoad {
  readonly kind: LoadKind;
  readonly keys: number;
  readonly valueBytes: number;
  /** Writes under way while a follower is filled. */
  readonly background: number;
}

/** Figures of one engine. */
export interface BigMeasurement {
  readonly engine: EngineName;
  readonly loadKind: LoadKind;
  readonly valueBytes: number;
  /** Of all members together by Put, of one member by restore. */
  readonly load: KeyLoad;
  /** Of the follower, after the load. */
  readonly diskBytes: number;
  /** By a follower, or by the restore of one member. */
  readonly writtenBytes: number;
  readonly restart: RestartFigures;
  readonly restartAfterKill: RestartFigures;
  readonly catchUp: CatchUpFigures;
}

/** Loads keys into three members with an engine, and measures what becomes of them. */
export async function measureBigStore(
  engine: EngineName,
  bigLoad: BigLoad,
  say: (line: string) => void,
): Promise<BigMeasurement> {
  const { kind: loadKind, valueBytes } = bigLoad;
  const cluster = await createProcessCluster({ engineOf: () => engine, serveFlags: ["--storage-quota", "64GiB"] });
  try {
    const restored = loadKind === "restore" ? await restoreAll(cluster, bigLoad) : undefined;
    await cluster.start();
    const leader = await cluster.waitForLeader();
    const [follower] = cluster.others(leader.name);
    if (follower === undefined) throw new Error("no follower");
    const load = restored?.load ?? (await loadAll(leader, bigLoad));
    say(`${engine}: ${load.keys} keys in ${load.seconds.toFixed(0)} s`);
    await cluster.waitUntilCaughtUp(patienceMs);
    const size = await diskBytes(follower.dataDirectory);
    const written = restored?.writtenBytes ?? writtenBytes(cluster.process(follower.name).pid);

    await cluster.terminate(follower.name);
    const restart = await restartAndMeasure(cluster, follower);
    await cluster.waitUntilCaughtUp(patienceMs);
    await cluster.kill(follower.name);
    const restartAfterKill = await restartAndMeasure(cluster, follower);
    say(
      `${engine}: ready after ${Math.round(restart.readyMs)} ms, after SIGKILL ${Math.round(restartAfterKill.readyMs)} ms`,
    );
    await cluster.waitUntilCaughtUp(patienceMs);
    const catchUp = await fillFollower(cluster, follower, bigLoad);
    say(`${engine}: an empty follower had the snapshot after ${Math.round(catchUp.transferMs)} ms`);
    const restarts = { restart, restartAfterKill };
    return { engine, loadKind, valueBytes, load, diskBytes: size, writtenBytes: written, ...restarts, catchUp };
  } catch (error) {
    process.stderr.write(`${cluster.describeOutput()}\n`);
    throw error;
  } finally {
    await cluster.dispose();
  }
}

/** By way of the leader alone: what followers would pass on is measured elsewhere, and is no concern of the store's. */
function loadAll({ clientAddress }: ClusterMember, { keys, valueBytes }: BigLoad): Promise<KeyLoad> {
  let next = 0;
  const nextKey = (): number | undefined => (next < keys ? next++ : undefined);
  const addresses = Array.from({ length: loadConnections }, () => clientAddress);
  return loadKeys({ addresses, valueBytes, inFlight: loadInFlight, nextKey });
}

/** Restores a backup of so many keys on every member, the first alone: its figures are told. */
async function restoreAll(
  cluster: ProcessCluster,
  { keys, valueBytes }: BigLoad,
): Promise<{ readonly load: KeyLoad; readonly writtenBytes: number }> {
  const file = join(cluster.directory, "keys.backup");
  const bytes = await writeBackupOfKeys(file, keys, valueBytes);
  const initialCluster = cluster.members.map(({ name, peerAddress }) => `${name}=${peerAddress}`).join(",");
  const restore = async ({ name, dataDirectory }: ClusterMember): Promise<number> => {
    const target = ["--name", name, "--data-dir", dataDirectory, "--initial-cluster", initialCluster];
    const engine = ["--storage-engine", cluster.engineOf(name)];
    const line = [raftkvCommand, "backup", "restore", file, ...target, ...engine];
    const command = await startProcess(process.execPath, line);
    const written = await writtenUntil(command.exited, command.pid);
    const { code } = await command.exited;
    if (code !== 0) throw new Error(`the restore of ${name} ended with ${code}: ${command.output.join("\n")}`);
    return written;
  };
  const [first, ...others] = cluster.members;
  if (first === undefined) throw new Error("no members");
  const startedAt = performance.now();
  const writtenByFirst = await restore(first);
  const seconds = (performance.now() - startedAt) / 1000;
  await Promise.all(others.map(restore));
  await rm(file);
  return { load: { keys, bytes, seconds, retries: 0 }, writtenBytes: writtenByFirst };
}

async function restartAndMeasure(cluster: ProcessCluster, member: ClusterMember): Promise<RestartFigures> {
  const startedAt = performance.now();
  await cluster.start(member.name);
  await waitUntil(() => isReady(member), { what: `${member.name} is ready`, timeoutMs: patienceMs, intervalMs: 5 });
  const readyMs = performance.now() - startedAt;
  const opened = cluster.process(member.name).output.find((line) => line.includes("opened the store")) ?? "";
  const found = (name: string): number => Number(new RegExp(`"${name}":(\\d+)`).exec(opened)?.[1]);
  return { readyMs, appliedAgain: found("lastIndex") - found("appliedIndex") };
}

async function isReady({ metricsAddress }: ClusterMember): Promise<boolean> {
  try {
    return (await fetch(`http://${metricsAddress}/readyz`)).ok;
  } catch {
    return false;
  }
}

/** The follower loses its data and is replaced, while writes go on. */
async function fillFollower(
  cluster: ProcessCluster,
  follower: ClusterMember,
  bigLoad: BigLoad,
): Promise<CatchUpFigures> {
  await cluster.kill(follower.name);
  cluster.wipe(follower.name);
  await cluster.start(follower.name);
  await waitUntil(() => cluster.process(follower.name).output.some((line) => line.includes("member replace")), {
    what: `${follower.name} waits to be replaced`,
  });
  const leader = await waitUntil(async () => leaderOf(cluster, follower), { what: "the others have a leader" });
  const { header, firstIndex } = await cluster.status(leader);
  // A log that still has everything would do without a snapshot.
  if (firstIndex === 1n) {
    const request = { trailingEntries: 0n };
    answerOf(await leader.client.call(MaintenanceService.method.createSnapshot, request, 60_000));
  }
  const pidOf = ({ name }: ClusterMember): number => cluster.process(name).pid;
  const before = residentMemory(pidOf(leader));
  const memory = watchMemory([pidOf(leader), pidOf(follower)]);
  const writing = startWriting(cluster.others(follower.name), bigLoad);
  await runRaftkv(leader, "member", "replace", follower.name, follower.name, "--peer-address", follower.peerAddress);
  const startedAt = performance.now();
  // Nothing is served before the newcomer is a member.
  const metric = (name: string, labels: Record<string, string>): Promise<number> =>
    cluster.metrics(follower).then(
      (text) => sumSamples(parseMetrics(text), name, labels),
      () => 0,
    );
  const received = { direction: "receive" };
  const installed = { ...received, result: "installed" };
  // Seldom: a look costs the follower milliseconds. It measures the transfer itself.
  await waitUntil(async () => (await metric("raftkv_snapshot_transfers_total", installed)) > 0, {
    what: `${follower.name} has the snapshot`,
    timeoutMs: patienceMs,
    intervalMs: 250,
  });
  const transferMs = 1000 * (await metric("raftkv_snapshot_transfer_duration_seconds_sum", received));
  if (!(transferMs > 0)) throw new Error("the follower does not tell how long its snapshot took");
  await cluster.waitUntilCaughtUp(patienceMs);
  const caughtUpMs = performance.now() - startedAt;
  const load = await writing.stop();
  const [leaderMost = before, followerMost = before] = memory();
  const after = await cluster.status(leader);
  return {
    bytes: await metric("raftkv_snapshot_transfer_bytes_total", received),
    transferMs,
    caughtUpMs,
    writesPerSecond: load.keys === 0 ? 0 : load.keys / load.seconds,
    retries: load.retries,
    elections: Number((after.header?.raftTerm ?? 0n) - (header?.raftTerm ?? 0n)),
    leader: { before, most: leaderMost },
    follower: { most: followerMost },
  };
}

/** Who leads in the eyes of all but one, which is not a member yet. */
async function leaderOf(cluster: ProcessCluster, newcomer: ClusterMember): Promise<ClusterMember | undefined> {
  for (const member of cluster.others(newcomer.name)) {
    const status = await cluster.statusIfAnswered(member);
    if (status?.header !== undefined && status.header.leaderId === status.header.memberId) return member;
  }
  return undefined;
}

function startWriting(members: readonly ClusterMember[], bigLoad: BigLoad): { stop(): Promise<KeyLoad> } {
  const { keys, valueBytes, background: inFlight } = bigLoad;
  const addresses = members.map(({ clientAddress }) => clientAddress);
  let stopped = false;
  let next = 0;
  const nextKey = (): number | undefined => (stopped ? undefined : next++ % keys);
  const writing = loadKeys({ addresses, valueBytes, inFlight, nextKey });
  // Seen again by whoever calls stop(); until then it must not count as unhandled.
  writing.catch(() => {});
  return {
    stop: () => {
      stopped = true;
      return writing;
    },
  };
}
