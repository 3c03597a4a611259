import { formatAddress } from "./address.ts";
import type { InitialMember } from "./initial-cluster.ts";
import type { OptionValues } from "./option-table.ts";

/** What a member runs with: complete, validated and frozen. Addresses are HOST:PORT. */
export interface MemberConfig {
  readonly name: string;
  /** As given; relative to the working directory. */
  readonly dataDir: string;
  /** May end in port 0; the port taken is known only after listening. */
  readonly clientAddress: string;
  /** Ends in port 0 exactly when it follows from a client address that does. */
  readonly advertiseClientAddress: string;
  readonly peerAddress: string;
  readonly advertisePeerAddress: string;
  /** May end in port 0. */
  readonly metricsAddress: string;
  /** Ordered by name; holds `name` at `advertisePeerAddress`. Empty exactly when `join` is not. */
  readonly initialCluster: readonly InitialMember[];
  /** HOST:PORT for clients of members of the cluster to be added to; empty unless this member is to be. */
  readonly join: readonly string[];
  readonly clusterToken: string;
  readonly heartbeatIntervalMs: number;
  /** At least five heartbeat intervals. */
  readonly electionTimeoutMs: number;
  /** How far clocks may run apart if reads trust them; `null` when none do. */
  readonly leaseClockDriftMax: number | null;
  /** Entries. */
  readonly learnerPromotionLagMax: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** More than a longest key and value together. */
  readonly requestBytesMax: number;
  readonly pendingProposalsMax: number;
  readonly requestTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly compactionLogEntriesMax: number;
  readonly compactionLogBytesMax: number;
  /** 0: never by time. */
  readonly compactionIntervalMs: number;
  readonly compactionTrailingEntries: number;
  /** At least `compactionLogBytesMax`. */
  readonly compactionPinnedBytesMax: number;
  readonly snapshotChunkBytes: number;
  /** 0: no limit. */
  readonly snapshotBytesPerSecondMax: number;
  /** 0: on request only. */
  readonly hashCheckIntervalMs: number;
  /** 0: no limit. */
  readonly scrubBytesPerSecondMax: number;
  /** More than the election timeout. */
  readonly writeStallTimeoutMs: number;
  readonly storageQuotaBytes: number;
  readonly storageReserveBytes: number;
  readonly storageEngine: OptionValues["storageEngine"];
  readonly logLevel: OptionValues["logLevel"];
}

/** Gives the options' values their names and units in code. */
export function toMemberConfig(values: OptionValues): MemberConfig {
  return Object.freeze({
    name: values.name,
    dataDir: values.dataDir,
    clientAddress: formatAddress(values.clientAddress),
    advertiseClientAddress: formatAddress(values.advertiseClientAddress),
    peerAddress: formatAddress(values.peerAddress),
    advertisePeerAddress: formatAddress(values.advertisePeerAddress),
    metricsAddress: formatAddress(values.metricsAddress),
    initialCluster: Object.freeze(values.initialCluster.map((member) => Object.freeze(member))),
    join: Object.freeze([...values.join]),
    clusterToken: values.clusterToken,
    heartbeatIntervalMs: values.heartbeatInterval,
    electionTimeoutMs: values.electionTimeout,
    leaseClockDriftMax: values.linearizableReads === "lease" ? values.clockDriftLimit : null,
    learnerPromotionLagMax: values.learnerPromotionLag,
    keyBytesMax: values.maxKeySize,
    valueBytesMax: values.maxValueSize,
    requestBytesMax: values.maxRequestSize,
    pendingProposalsMax: values.maxPendingProposals,
    requestTimeoutMs: values.requestTimeout,
    drainTimeoutMs: values.drainTimeout,
    compactionLogEntriesMax: values.compactionLogEntries,
    compactionLogBytesMax: values.compactionLogSize,
    compactionIntervalMs: values.compactionInterval,
    compactionTrailingEntries: values.compactionTrailingEntries,
    compactionPinnedBytesMax: values.compactionPinnedSize,
    snapshotChunkBytes: values.snapshotChunkSize,
    snapshotBytesPerSecondMax: values.snapshotRateLimit,
    hashCheckIntervalMs: values.hashCheckInterval,
    scrubBytesPerSecondMax: values.scrubRateLimit,
    writeStallTimeoutMs: values.writeStallTimeout,
    storageQuotaBytes: values.storageQuota,
    storageReserveBytes: values.storageReserve,
    storageEngine: values.storageEngine,
    logLevel: values.logLevel,
  });
}
