import type { MemberConfig } from "../config/member-config.ts";
import { defaultReplicaOptions, type ReplicaOptions } from "../replica/replica-options.ts";
import type { ServerLimits } from "../server/server-limits.ts";
import { defaultTransportLimits, type TransportLimits } from "../transport/transport-options.ts";

/** Slowest tick, milliseconds; a faster heartbeat makes it faster. */
const tickIntervalMsMax = 10;

/** The replica's settings that follow from the configuration, over its defaults. */
export function replicaOptions(config: MemberConfig): ReplicaOptions {
  const { heartbeatIntervalMs, electionTimeoutMs, leaseClockDriftMax, pendingProposalsMax } = config;
  const lease = leaseClockDriftMax === null ? null : { clockDriftMax: leaseClockDriftMax };
  const promotionLagMax = config.learnerPromotionLagMax;
  return {
    ...defaultReplicaOptions,
    raft: { ...defaultReplicaOptions.raft, heartbeatIntervalMs, electionTimeoutMs, lease, promotionLagMax },
    pendingProposalsMax,
    compaction: {
      logEntriesMax: config.compactionLogEntriesMax,
      logBytesMax: config.compactionLogBytesMax,
      intervalMs: config.compactionIntervalMs,
      trailingEntries: config.compactionTrailingEntries,
      pinnedBytesMax: config.compactionPinnedBytesMax,
    },
    snapshot: {
      ...defaultReplicaOptions.snapshot,
      chunkBytes: config.snapshotChunkBytes,
      bytesPerSecondMax: config.snapshotBytesPerSecondMax,
      // A snapshot takes the place of a state: it may have part of what is kept from data that is added.
      spareBytes: config.storageReserveBytes / 2,
    },
    integrity: {
      ...defaultReplicaOptions.integrity,
      checkIntervalMs: config.hashCheckIntervalMs,
      bytesPerSecondMax: config.scrubBytesPerSecondMax,
    },
    writeStallMsMax: config.writeStallTimeoutMs,
    quotaBytes: config.storageQuotaBytes,
    // An election takes up to two timeouts.
    leaderWaitMs: 2 * electionTimeoutMs,
    tickIntervalMs: Math.max(1, Math.min(tickIntervalMsMax, heartbeatIntervalMs / 5)),
  };
}

/** The server's limits that follow from the configuration. */
export function serverLimits(config: MemberConfig): Partial<ServerLimits> {
  const { keyBytesMax, valueBytesMax, requestBytesMax, requestTimeoutMs } = config;
  return { keyBytesMax, valueBytesMax, requestBytesMax, defaultDeadlineMs: requestTimeoutMs };
}

/** The transport's limits that follow from the configuration: a frame holds the largest request with room to spare. */
export function transportLimits(config: MemberConfig): Partial<TransportLimits> {
  return { frameBytesMax: Math.max(defaultTransportLimits.frameBytesMax, 4 * config.requestBytesMax) };
}
