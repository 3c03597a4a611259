import type { RaftKvError } from "../lib/errors.ts";
import type { Configuration, MemberId } from "../raft/configuration.ts";
import type { ConfigurationAt } from "../raft/configuration-history.ts";
import type { ConfigurationEntry, Entry, HardState, Index, LogPosition, Term } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { Divergence } from "./divergence.ts";
import type { EngineFile, EngineFiles } from "./engine-home.ts";
import type { FilesInstallation, Installation, InstallationSource, RowsInstallation } from "./installation.ts";
import type { StateSnapshot } from "./state-snapshot.ts";
import type { KeyRange, Row, RowChange } from "./storage-engine.ts";

/** Whose directory this is; checked at every open. */
export interface DirectoryIdentity {
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
  /** 16 hexadecimal digits. */
  readonly memberId: MemberId;
  /** Random identity of this very directory, 32 hexadecimal digits, made when it is first opened. */
  readonly dataDirectoryId: string;
  /** Configuration before the first configuration entry there ever was. */
  readonly bootstrapConfiguration: Configuration;
}

/** Entries of one term that follow one another; a log's terms in a few numbers instead of one per entry. */
export interface TermRun {
  readonly firstIndex: Index;
  readonly term: Term;
}

/** What a start finds in the directory; verified: contiguous, checksums and chain intact, not behind the watermark. */
export interface RecoveredState {
  readonly hardState: HardState;
  /** Position before the first entry that is still in the log; (0, 0) while nothing was compacted. */
  readonly logBase: LogPosition;
  /** In force at `logBase`; the bootstrap configuration, at index 0, while nothing was compacted. */
  readonly baseConfiguration: ConfigurationAt;
  readonly lastIndex: Index;
  /** Ordered by `firstIndex`; covers `logBase.index + 1` to `lastIndex`. */
  readonly termRuns: readonly TermRun[];
  /** Configuration entries of the log, in order. */
  readonly configurationEntries: readonly ConfigurationEntry[];
  /** Last index whose rows are in the state; at most `lastIndex`. */
  readonly appliedIndex: Index;
  /** Bytes of log, as encoded. */
  readonly logSizeBytes: number;
}

/** One turn of the replica loop, written atomically and synced once. */
export interface StoreBatch {
  /** New term, vote and commit index; absent when unchanged. */
  readonly hardState?: HardState | undefined;
  /** Remove every entry from this index on, before `entries` are added. */
  readonly truncateFrom?: Index | undefined;
  /** New entries, contiguous with what is left of the log. */
  readonly entries: readonly Entry[];
  /** State rows of the entries applied since the last batch. */
  readonly stateChanges: readonly RowChange[];
  /** Index that `stateChanges` bring the state to; absent when unchanged. Never beyond the durable log. */
  readonly appliedIndex?: Index | undefined;
}

/** The durable state, in the files of the engine that holds it. */
export interface StateFiles {
  /** Name of the engine. */
  readonly engine: string;
  /** Exactly the effects of every entry up to this one are in the state. */
  readonly appliedIndex: Index;
  readonly files: EngineFiles;
}

/**
 * A member's durable log, hard state and state rows, in one engine and one synced batch a turn.
 *
 * Turns are written one at a time. A rejected write is fatal: the outcome is unknown and the store refuses everything after it.
 */
export interface MemberStore {
  readonly identity: DirectoryIdentity;
  readonly recovered: RecoveredState;
  /** Bytes of log at present, as encoded; records that are about to be removed do not count. */
  readonly logSizeBytes: number;
  /** First index that the log may hold: one behind its base. */
  readonly logFirstIndex: Index;
  /** The installation that was begun, now or before a restart, and has not ended; `undefined` when there is none. */
  readonly installation: Installation | undefined;
  /**
   * Number of the oldest write to the disk that is under way, counted from the start; `undefined` while none is. One that
   * stays the same for long tells of a disk that stands still; background removal of what is not needed does not count.
   */
  readonly oldestWrite: number | undefined;
  /**
   * Resolves with the first failure of a write, that of one which no caller waits for among them (removal in the background,
   * watermark): the member must stop. Never rejects.
   */
  readonly failure: Promise<RaftKvError>;
  /** Makes a turn durable. Must not be called while another write is under way. */
  write(batch: StoreBatch): Promise<void>;
  /**
   * Entries from `from` to `to`, both included, at least one and then as many as `bytesMax` allows; checksums verified.
   * Rejects with code `LOG_CORRUPT` when an entry is damaged and `LOG_RANGE` when the range is not in the durable log.
   */
  readEntries(from: Index, to: Index, bytesMax: number): Promise<Entry[]>;
  /** A durable state row; `undefined` when there is none. */
  stateRow(key: Uint8Array): Uint8Array | undefined;
  /** Durable state rows of a range, in byte order. */
  iterateState(range: KeyRange): AsyncIterable<Row>;
  /**
   * Moves the log's base, durably; the records up to there are removed in the background afterwards. `base` lies between the
   * present one and the durable applied index. Turns may be written meanwhile; one compaction at a time.
   */
  compact(base: LogBase): Promise<void>;
  /** The durable state as it is now. */
  openSnapshot(): StateSnapshot;
  /**
   * The durable state as it is now, in files; `undefined` where the engine has none to give. Turns wait until they are open. Rejects
   * when they cannot be opened, and the store goes on.
   */
  openFiles(): Promise<StateFiles | undefined>;
  /** Name of the engine whose files {@link MemberStore.openFiles} gives; `undefined` when it has none to give. */
  readonly givesFilesOf: string | undefined;
  /** Name of the engine whose files may be installed at present; `undefined` when none may. */
  readonly takesFilesOf: string | undefined;
  /** Begins to fill a new generation of state rows; the installation under way, if there is one, is given up. */
  beginInstallation(source: InstallationSource): Promise<RowsInstallation>;
  /**
   * Begins to install files of the engine {@link MemberStore.takesFilesOf}; the installation under way, if there is one, is given up.
   * Rejects with `STATE_CORRUPT` when these cannot be the files of an engine; nothing is being installed then.
   */
  beginFileInstallation(source: InstallationSource, files: readonly EngineFile[]): Promise<FilesInstallation>;
  /** Directory under which `memberId` was first met; `undefined` when it never was. */
  peerDirectory(memberId: MemberId): string | undefined;
  /** Remembers, durably, the directory of a member met for the first time. */
  rememberPeerDirectory(memberId: MemberId, dataDirectoryId: string): Promise<void>;
  /** How the state was found to differ from that of the majority, now or before a restart; `undefined` when it was not. */
  readonly divergence: Divergence | undefined;
  /** Notes, durably and for good, that the state is wrong. */
  markDiverged(divergence: Divergence): Promise<void>;
  /** Closes the engine and gives up the directory's lock; idempotent. */
  close(): Promise<void>;
}
