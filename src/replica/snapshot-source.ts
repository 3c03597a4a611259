import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Index } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";
import { type Random, randomId } from "../raft/random.ts";
import type { StateSnapshot } from "../storage/state-snapshot.ts";
import type { SnapshotChunk, SnapshotChunkRequest, SnapshotRow } from "../transport/snapshot-transfer.ts";
import type { ReplicaMetrics, SnapshotMetricResult } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import { openStateAt, type StateAtDependencies } from "./state-at.ts";

/** What sending needs. */
export interface SnapshotSourceDependencies extends StateAtDependencies {
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether log and state are being replaced by a snapshot. */
  readonly isInstalling: () => boolean;
  /** Whether the state is known to be wrong. */
  readonly isDiverged: () => boolean;
  /** About how many bytes the rows of the state come to; 0 when not known. */
  readonly stateBytes: () => number;
}

/** A snapshot that another member is fetching. */
export interface SnapshotSent {
  readonly to: MemberId;
  /** Where it stands. */
  readonly index: Index;
  /** Bytes of rows sent so far, repeated ones among them. */
  readonly bytes: number;
  /** About what the whole comes to; 0 when not known. */
  readonly totalBytes: number;
}

/** Rows of a snapshot, contiguous after the key that was asked for. */
interface RowsRead {
  readonly rows: readonly SnapshotRow[];
  readonly bytes: number;
  readonly done: boolean;
}

/** Rows that are read before they are asked for: those that follow what was sent last. */
interface ReadAhead {
  readonly after: Uint8Array;
  readonly bytesMax: number;
  readonly read: Promise<RowsRead>;
}

interface OpenSnapshot {
  readonly id: string;
  readonly to: MemberId;
  readonly base: LogBase;
  readonly rows: StateSnapshot;
  readonly totalBytes: number;
  readonly beganMs: number;
  sentBytes: number;
  lastUsedMs: number;
  closed: boolean;
  /** A chunk at most, so that reading here and storing there need not wait for each other. */
  ahead: ReadAhead | undefined;
}

const nothing: readonly SnapshotSent[] = [];

/** Bytes of rows read at once; the event loop turns in between. */
const pageBytes = 128 * 1024;

/**
 * Snapshots of this member's state for those who fetch them. Each is a view of the durable rows at one applied index, kept open
 * between requests, so that rows can be asked for again and from any key on.
 */
export class SnapshotSource {
  readonly #deps: SnapshotSourceDependencies;
  readonly #open = new Map<string, OpenSnapshot>();
  #closed = false;

  constructor(deps: SnapshotSourceDependencies) {
    this.#deps = deps;
  }

  /** The first entry behind which the log is needed by somebody who is fetching a snapshot; `null` when nobody is. */
  get pinnedIndex(): Index | null {
    let pinned: Index | null = null;
    for (const { base } of this.#open.values()) if (pinned === null || base.index < pinned) pinned = base.index;
    return pinned;
  }

  /** What is being sent. */
  get sending(): readonly SnapshotSent[] {
    if (this.#open.size === 0) return nothing;
    return Array.from(this.#open.values(), ({ to, base, sentBytes: bytes, totalBytes }) => {
      return { to, index: base.index, bytes, totalBytes };
    });
  }

  /** See {@link PeerTransportHandlers.onSnapshotChunk}. */
  async serve(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    if (this.#closed) throw new RaftKvError("SNAPSHOT_GONE", "the member is shutting down");
    if (this.#deps.isDiverged()) throw new Error("the state of this member differs from that of the majority");
    const snapshot = request.snapshotId === null ? this.#begin(from, request.minIndex) : this.#find(request.snapshotId);
    snapshot.lastUsedMs = this.#deps.runtime.now();
    const { rows, bytes, done } = await this.#next(snapshot, request);
    snapshot.sentBytes += bytes;
    snapshot.lastUsedMs = this.#deps.runtime.now();
    this.#deps.metrics.snapshotSentBytes(bytes);
    const { id: snapshotId, base, totalBytes } = snapshot;
    return { snapshotId, base, rows, done, totalBytes };
  }

  /** Lets go of snapshots that nobody needs any more. */
  tick(nowMs: number): void {
    if (this.#open.size === 0) return;
    const { node, options } = this.#deps;
    for (const snapshot of this.#open.values()) {
      const { to, base, lastUsedMs } = snapshot;
      const peer = node.progress.get(to);
      const removed = node.role === "leader" && peer === undefined;
      if ((peer?.matchIndex ?? 0) >= base.index) this.#close(snapshot, "installed");
      else if (removed || nowMs - lastUsedMs >= options.snapshot.idleMs) this.#close(snapshot, "abandoned");
    }
  }

  /** Lets go of everything. */
  close(): void {
    this.#closed = true;
    for (const snapshot of this.#open.values()) this.#close(snapshot, "abandoned");
  }

  #begin(to: MemberId, minIndex: Index): OpenSnapshot {
    const { options, random, runtime, logger, isInstalling, stateBytes, fail } = this.#deps;
    // Whoever begins anew has given up what it had.
    for (const snapshot of this.#open.values()) if (snapshot.to === to) this.#close(snapshot, "abandoned");
    if (this.#open.size >= options.snapshot.openMax) throw new Error(`${this.#open.size} snapshots are being sent`);
    if (isInstalling()) throw new Error("a snapshot is being installed here");
    const { base, snapshot: rows } = openStateAt(this.#deps);
    const { index } = base;
    if (index < minIndex) {
      rows.close().catch(fail);
      throw new Error(`entry ${minIndex} is not in the durable state yet, which stands at ${index}`);
    }
    // The state at an index is the same everywhere: even if ids met, no rows of different states could be put together.
    const id = `${index}-${randomId(random).toString(36)}`;
    const totalBytes = stateBytes();
    const nowMs = runtime.now();
    const progress = { beganMs: nowMs, sentBytes: 0, lastUsedMs: nowMs, closed: false, ahead: undefined };
    const snapshot: OpenSnapshot = { id, to, base, rows, totalBytes, ...progress };
    this.#open.set(id, snapshot);
    logger.info({ to, index, aboutBytes: totalBytes }, "sending a snapshot");
    return snapshot;
  }

  #find(id: string): OpenSnapshot {
    const snapshot = this.#open.get(id);
    if (snapshot === undefined) throw new RaftKvError("SNAPSHOT_GONE", `snapshot ${id} is not kept any more`);
    return snapshot;
  }

  /** The rows that are asked for, and begins to read those that will be asked for next if all goes well. */
  async #next(snapshot: OpenSnapshot, { after, bytesMax }: SnapshotChunkRequest): Promise<RowsRead> {
    const { ahead } = snapshot;
    snapshot.ahead = undefined;
    const isNext = ahead !== undefined && ahead.bytesMax === bytesMax && isSameKey(ahead.after, after);
    const found = await (isNext ? ahead.read : this.#read(snapshot, after, bytesMax));
    const last = found.rows.at(-1)?.[0];
    if (!found.done && last !== undefined && !snapshot.closed) {
      const read = this.#read(snapshot, last, bytesMax);
      // Seen by whoever asks for these rows; if nobody does, it was told already.
      read.catch(() => {});
      snapshot.ahead = { after: last, bytesMax, read };
    }
    return found;
  }

  async #read(snapshot: OpenSnapshot, after: Uint8Array | null, bytesMax: number): Promise<RowsRead> {
    const rows: SnapshotRow[] = [];
    let bytes = 0;
    try {
      for await (const page of snapshot.rows.rows(after, Math.max(1, Math.min(pageBytes, bytesMax)))) {
        for (const row of page) {
          bytes += row[0].length + row[1].length;
          rows.push(row);
        }
        if (bytes >= bytesMax) return { rows, bytes, done: false };
      }
      return { rows, bytes, done: true };
    } catch (error) {
      // Closed under the reading, because nobody seemed to need it any more.
      if (snapshot.closed) throw new RaftKvError("SNAPSHOT_GONE", `snapshot ${snapshot.id} is not kept any more`);
      throw error;
    }
  }

  #close(snapshot: OpenSnapshot, result: SnapshotMetricResult): void {
    const { metrics, runtime, logger, fail } = this.#deps;
    const { id, to, base, beganMs, sentBytes } = snapshot;
    snapshot.closed = true;
    snapshot.ahead = undefined;
    this.#open.delete(id);
    metrics.snapshotSent(result, (runtime.now() - beganMs) / 1000);
    logger.info({ to, index: base.index, bytes: sentBytes, result }, "snapshot no longer kept for a member");
    snapshot.rows.close().catch(fail);
  }
}

function isSameKey(key: Uint8Array, other: Uint8Array | null): boolean {
  return other !== null && Buffer.compare(key, other) === 0;
}
