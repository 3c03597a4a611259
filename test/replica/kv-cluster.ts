import type { KvLimits } from "../../src/kv/kv-limits.ts";
import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import { readPair } from "../../src/kv/read.ts";
import type { MemberId } from "../../src/raft/configuration.ts";
import { defaultRaftOptions } from "../../src/raft/options.ts";
import { type CompactionOptions, defaultCompactionOptions } from "../../src/replica/compaction-policy.ts";
import type { ReplicaMetrics } from "../../src/replica/replica-metrics.ts";
import type { ReplicaOptions } from "../../src/replica/replica-options.ts";
import { defaultSnapshotOptions, type SnapshotOptions } from "../../src/replica/snapshot-options.ts";
import type { StateMachine } from "../../src/replica/state-machine.ts";
import { readBase } from "../../src/storage/base-row.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { firstGeneration, generationRange, metaKeys, stateKeyOf } from "../../src/storage/row-keys.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { encodeCommand, put, utf8 } from "../kv/driver.ts";
import { MemoryDirectory, openMemoryHome } from "../storage/memory-home.ts";
import { type ClusterMember, propose, ReplicaCluster } from "./replica-cluster.ts";

/** How a cluster of key-value replicas differs from the usual one. */
export interface KvClusterOptions {
  readonly size?: number;
  readonly compaction?: Partial<CompactionOptions>;
  readonly snapshot?: Partial<SnapshotOptions>;
  readonly metrics?: Partial<ReplicaMetrics>;
  readonly replica?: Partial<ReplicaOptions>;
  readonly kvLimits?: Partial<KvLimits>;
  /** The state machine of a member. Default: one for all. */
  readonly stateMachineOf?: (id: MemberId) => StateMachine;
  /** Over a member's disk. Default: {@link openMemoryEngine}. */
  readonly openEngine?: (id: MemberId, rows: MemoryRows) => StorageEngine;
  /** Snapshots are sent as files of the engine, which is the default one then. Default: in rows. */
  readonly inFiles?: boolean;
}

/** A log that is compacted often, and of which little is kept. */
const smallLog: Partial<CompactionOptions> = { logEntriesMax: 40, trailingEntries: 5 };

/** Key-value replicas whose disks outlive them, with small limits of the log. */
export class KvCluster extends ReplicaCluster {
  readonly directories: ReadonlyMap<MemberId, MemoryDirectory>;

  constructor({
    size,
    compaction,
    snapshot,
    metrics,
    replica,
    kvLimits,
    stateMachineOf,
    openEngine = (_id, rows) => openMemoryEngine(rows),
    inFiles = false,
  }: KvClusterOptions = {}) {
    const directories = new Map(["a", "b", "c", "d", "e"].map((id) => [id, new MemoryDirectory()] as const));
    const directoryOf = (id: MemberId): MemoryDirectory => directories.get(id) ?? new MemoryDirectory();
    super({
      engine: (id) => openEngine(id, directoryOf(id).rows),
      ...(inFiles && { home: (id) => openMemoryHome(directoryOf(id)).home }),
      ...(size !== undefined && { size }),
      ...(metrics !== undefined && { metrics }),
      stateMachineOf: stateMachineOf ?? (() => createKvStateMachine(kvLimits)),
      options: {
        // Longer than usual: on a machine that is busy with other tests nobody is to be elected by mistake.
        raft: { ...defaultRaftOptions, electionTimeoutMs: 250, heartbeatIntervalMs: 20 },
        waitingRowsMs: 5,
        compaction: { ...defaultCompactionOptions, ...smallLog, ...compaction },
        snapshot: { ...defaultSnapshotOptions, retryMinMs: 5, filesToRowsMax: 100, ...snapshot },
        ...replica,
      },
    });
    this.directories = directories;
  }

  /** What is durable of a member. */
  disk(id: MemberId): MemoryRows {
    return this.directories.get(id)?.rows ?? new MemoryRows();
  }
}

/** Puts `count` keys, `prefix` and a number, through a member; the values have `valueBytes`. Resolves when all are applied. */
export async function putKeys(member: ClusterMember, prefix: string, count: number, valueBytes = 10): Promise<void> {
  const outcomes = await Promise.all(
    Array.from({ length: count }, (_, number) =>
      propose(member, [...encodeCommand(put(`${prefix}${number}`, valueText(prefix, number, valueBytes)))]),
    ),
  );
  const failed = outcomes.find(({ type }) => type !== "applied");
  if (failed !== undefined) throw new Error(`a put came to ${JSON.stringify(failed)}`);
}

/** The keys of {@link putKeys} that a member does not have as they were put. */
export function missingKeys({ replica }: ClusterMember, prefix: string, count: number, valueBytes = 10): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}${number}`).filter((key, number) => {
    const pair = readPair((row) => replica.stateRow(row), utf8(key));
    return Buffer.from(pair?.value?.data ?? []).toString() !== valueText(prefix, number, valueBytes);
  });
}

function valueText(prefix: string, number: number, bytes: number): string {
  return `${prefix}${number}`.padEnd(bytes, ".");
}

/** The durable state of a member as text, key by key, whatever its generation. */
export function durableState(rows: MemoryRows): string[] {
  const base = rows.get(metaKeys.base);
  const range = generationRange(base === undefined ? firstGeneration : readBase(base).generation);
  return rows
    .snapshot()
    .filter(([key]) => Buffer.compare(key, range.start) >= 0 && Buffer.compare(key, range.end) < 0)
    .map(
      ([key, value]) =>
        `${Buffer.from(stateKeyOf(key)).toString("hex")} ${Buffer.from(value.subarray(4)).toString("hex")}`,
    );
}
