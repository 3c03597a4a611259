import { invariant } from "./assert.ts";
import type { MemberId } from "./configuration.ts";
import { type ConfigurationAt, ConfigurationHistory } from "./configuration-history.ts";
import type { ConfigurationEntry, HardState, Index } from "./entry.ts";
import type { RaftOptions } from "./options.ts";
import { RaftLog, type RecoveredLog } from "./raft-log.ts";
import { type RaftState, randomElectionTimeout } from "./raft-state.ts";
import { type Random, randomId } from "./random.ts";
import { ReadIndexQueue } from "./read-index.ts";
import { RoundTimes } from "./round-times.ts";

/** What a start knows from the store. */
export interface RecoveredMember {
  readonly hardState: HardState;
  readonly log: RecoveredLog;
  /** In force before the first of `configurationEntries`; its index is at most that of the log's base. */
  readonly baseConfiguration: ConfigurationAt;
  readonly configurationEntries: readonly ConfigurationEntry[];
  /** Last index whose effects are in the state. */
  readonly appliedIndex: Index;
}

/** A follower as the store left it. */
export function recoverState(
  id: MemberId,
  recovered: RecoveredMember,
  options: RaftOptions,
  random: Random,
): RaftState {
  const { hardState, appliedIndex } = recovered;
  const log = new RaftLog(recovered.log);
  const commitIndex = Math.max(hardState.commitIndex, appliedIndex, log.base.index);
  checkRecovered(recovered, log, commitIndex);
  checkLease(options);
  return {
    id,
    options,
    random,
    log,
    configurations: new ConfigurationHistory(recovered.baseConfiguration, recovered.configurationEntries),
    nowMs: 0,
    lastTickMs: null,
    diskStalled: false,
    role: "follower",
    term: hardState.term,
    votedFor: hardState.votedFor,
    leaderId: null,
    commitIndex,
    appliedIndex,
    matchedIndex: 0,
    leaderCommitIndex: 0,
    snapshotToFetch: null,
    installing: null,
    applyingIndex: appliedIndex,
    electionElapsedMs: 0,
    leaderSilenceMs: hardState.term === 0 ? Number.POSITIVE_INFINITY : 0,
    randomizedElectionTimeoutMs: randomElectionTimeout(options, random),
    heartbeatElapsedMs: 0,
    lossCheckElapsedMs: 0,
    leaderContactMs: null,
    votes: new Map(),
    progress: new Map(),
    leaderFirstIndex: 0,
    uncommittedBytes: 0,
    uncommittedFirstIndex: 0,
    transfer: null,
    round: 0,
    rounds: new RoundTimes(options.electionTimeoutMs, options.heartbeatIntervalMs / 4),
    leaseVoid: false,
    reads: new ReadIndexQueue(),
    forwardedReads: new Map(),
    readClockMs: 0,
    nextReadId: randomId(random),
    readStates: [],
    logReads: [],
    messages: [],
    deferredMessages: [],
    durableHardState: hardState,
    writingHardState: null,
    elections: { preVotesStarted: 0, votesStarted: 0, won: 0 },
    readCounts: { byRound: 0, byLease: 0 },
  };
}

function checkRecovered({ appliedIndex, baseConfiguration }: RecoveredMember, log: RaftLog, commitIndex: Index): void {
  // A commit index is written with or after the entries that it covers, and so is the state.
  invariant(
    commitIndex <= log.lastIndex,
    () =>
      `${commitIndex} entries are committed or applied, but the durable log ends at ${log.lastIndex}: entries were lost`,
  );
  invariant(
    appliedIndex >= log.base.index,
    () => `the log begins after ${log.base.index}, the state ends at ${appliedIndex}`,
  );
  invariant(baseConfiguration.index <= log.base.index, "the base configuration is in force at the log's base");
}

function checkLease({ lease }: RaftOptions): void {
  const drift = lease?.clockDriftMax ?? 0;
  invariant(drift >= 0 && drift < 1, () => `clocks may run apart by 0 or more and less than 1, not ${drift}`);
}
