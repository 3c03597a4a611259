import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Index } from "../raft/entry.ts";
import { type Random, randomId } from "../raft/random.ts";
import type { EngineFiles } from "../storage/engine-home.ts";
import type { StateFiles } from "../storage/member-store.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "../transport/snapshot-transfer.ts";
import type { ReplicaMetrics, SnapshotMetricResult } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import { FilesContent, gone, type PartRead, RowsContent, type SnapshotContent } from "./snapshot-content.ts";
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
  /** Bytes of rows or files sent so far, repeated ones among them. */
  readonly bytes: number;
  /** About what the whole comes to; 0 when not known. */
  readonly totalBytes: number;
}

interface OpenSnapshot {
  readonly id: string;
  readonly to: MemberId;
  readonly content: SnapshotContent;
  readonly beganMs: number;
  sentBytes: number;
  lastUsedMs: number;
}

const nothing: readonly SnapshotSent[] = [];

/**
 * Snapshots of this member's state for those who fetch them. Each is a view of the durable state at one applied index, kept open
 * between requests, so that a part can be asked for again: in the files of the engine for whoever has the same one, in rows
 * for others.
 */
export class SnapshotSource {
  readonly #deps: SnapshotSourceDependencies;
  readonly #open = new Map<string, OpenSnapshot>();
  /** Files could not be read: until the next start, rows are sent, which this member reads itself. */
  #filesFailed = false;
  #closed = false;

  constructor(deps: SnapshotSourceDependencies) {
    this.#deps = deps;
  }

  /** The first entry behind which the log is needed by somebody who is fetching a snapshot; `null` when nobody is. */
  get pinnedIndex(): Index | null {
    let pinned: Index | null = null;
    for (const { content } of this.#open.values()) {
      const { index } = content.base;
      if (pinned === null || index < pinned) pinned = index;
    }
    return pinned;
  }

  /** What is being sent. */
  get sending(): readonly SnapshotSent[] {
    if (this.#open.size === 0) return nothing;
    return Array.from(this.#open.values(), ({ to, content: { base, totalBytes }, sentBytes: bytes }) => {
      return { to, index: base.index, bytes, totalBytes };
    });
  }

  /** See {@link PeerTransportHandlers.onSnapshotChunk}. */
  async serve(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    this.#refuseIfClosed();
    if (this.#deps.isDiverged()) throw new Error("the state of this member differs from that of the majority");
    const { snapshotId } = request;
    const snapshot = snapshotId === null ? await this.#begin(from, request) : this.#find(snapshotId);
    snapshot.lastUsedMs = this.#deps.runtime.now();
    const { part, bytes, done } = await this.#next(snapshot, request);
    snapshot.sentBytes += bytes;
    snapshot.lastUsedMs = this.#deps.runtime.now();
    this.#deps.metrics.snapshotSentBytes(bytes);
    const { base, totalBytes } = snapshot.content;
    return { snapshotId: snapshot.id, base, part, done, totalBytes };
  }

  /** Lets go of snapshots that nobody needs any more. */
  tick(nowMs: number): void {
    if (this.#open.size === 0) return;
    const { node, options } = this.#deps;
    for (const snapshot of this.#open.values()) {
      const { to, content, lastUsedMs } = snapshot;
      const peer = node.progress.get(to);
      const removed = node.role === "leader" && peer === undefined;
      if ((peer?.matchIndex ?? 0) >= content.base.index) this.#close(snapshot, "installed");
      else if (removed || nowMs - lastUsedMs >= options.snapshot.idleMs) this.#close(snapshot, "abandoned");
    }
  }

  /** Lets go of everything. */
  close(): void {
    this.#closed = true;
    for (const snapshot of this.#open.values()) this.#close(snapshot, "abandoned");
  }

  async #begin(to: MemberId, request: SnapshotChunkRequest): Promise<OpenSnapshot> {
    const { random, runtime, logger, fail } = this.#deps;
    this.#makeRoom(to);
    const content = await this.#openContent(request);
    const { base, totalBytes } = content;
    try {
      // Others may have come, and the member may have begun to stop, while it was opened.
      this.#refuseIfClosed();
      this.#makeRoom(to);
      checkReach(base.index, request);
    } catch (error) {
      content.close().catch(fail);
      throw error;
    }
    // The state at an index is the same everywhere: even if ids met, no rows of different states could be put together.
    const id = `${base.index}-${randomId(random).toString(36)}`;
    const nowMs = runtime.now();
    const snapshot: OpenSnapshot = { id, to, content, beganMs: nowMs, sentBytes: 0, lastUsedMs: nowMs };
    this.#open.set(id, snapshot);
    const form = content instanceof FilesContent ? "files" : "rows";
    logger.info({ to, index: base.index, aboutBytes: totalBytes, form }, "sending a snapshot");
    return snapshot;
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new RaftKvError("SNAPSHOT_GONE", "the member is shutting down");
  }

  /** Whoever begins anew has given up what it had. */
  #makeRoom(to: MemberId): void {
    const { options } = this.#deps;
    for (const snapshot of this.#open.values()) if (snapshot.to === to) this.#close(snapshot, "abandoned");
    if (this.#open.size >= options.snapshot.openMax) throw new Error(`${this.#open.size} snapshots are being sent`);
    this.#refuseWhileInstalling();
  }

  /** The store turns to the snapshot before the core does: what the core knows of the log does not reach the state meanwhile. */
  #refuseWhileInstalling(): void {
    if (this.#deps.isInstalling()) throw new Error("a snapshot is being installed here");
  }

  async #openContent(request: SnapshotChunkRequest): Promise<SnapshotContent> {
    const files = await this.#openFiles(request);
    if (files !== undefined) return files;
    // An installation may have begun while there were files to wait for.
    this.#refuseIfClosed();
    this.#refuseWhileInstalling();
    const { base, snapshot } = openStateAt(this.#deps);
    return new RowsContent(base, snapshot, this.#deps.stateBytes());
  }

  /** The files, where whoever asks has the same engine; otherwise, and where they cannot be opened, rows will do. */
  async #openFiles({ engine }: SnapshotChunkRequest): Promise<FilesContent | undefined> {
    const { node, store, logger, isInstalling, fail } = this.#deps;
    if (this.#filesFailed || engine === null || engine !== store.givesFilesOf) return undefined;
    let opened: StateFiles | undefined;
    try {
      opened = await store.openFiles();
    } catch (error) {
      logger.warn({ error }, "the files of the storage engine cannot be opened for a snapshot; it is sent in rows");
    }
    if (opened === undefined) return undefined;
    const { appliedIndex, files } = opened;
    // What the core knows of the log follows the store's turn, and may have come to lie behind the state.
    const isKnown = !isInstalling() && appliedIndex >= node.firstIndex - 1;
    if (isKnown && this.#isWorthIt(files)) return new FilesContent(node.logBaseAt(appliedIndex), files);
    files.close().catch(fail);
    return undefined;
  }

  #isWorthIt({ totalBytes }: EngineFiles): boolean {
    const { options, stateBytes } = this.#deps;
    const rowBytes = stateBytes();
    return rowBytes === 0 || totalBytes <= options.snapshot.filesToRowsMax * rowBytes;
  }

  async #next(snapshot: OpenSnapshot, request: SnapshotChunkRequest): Promise<PartRead> {
    const { id, content } = snapshot;
    try {
      return await content.next(request);
    } catch (error) {
      const isOpen = this.#open.get(id) === snapshot;
      if (!isOpen || !(content instanceof FilesContent) || error instanceof RaftKvError) throw error;
      this.#deps.logger.warn({ error }, "the files of the storage engine cannot be read; snapshots are sent in rows");
      this.#filesFailed = true;
      this.#close(snapshot, "abandoned");
      throw gone(id);
    }
  }

  #find(id: string): OpenSnapshot {
    const snapshot = this.#open.get(id);
    if (snapshot === undefined) throw gone(id);
    return snapshot;
  }

  #close(snapshot: OpenSnapshot, result: SnapshotMetricResult): void {
    const { metrics, runtime, logger, fail } = this.#deps;
    const { id, to, content, beganMs, sentBytes } = snapshot;
    this.#open.delete(id);
    metrics.snapshotSent(result, (runtime.now() - beganMs) / 1000);
    logger.info({ to, index: content.base.index, bytes: sentBytes, result }, "snapshot no longer kept for a member");
    content.close().catch(fail);
  }
}

function checkReach(index: Index, { minIndex }: SnapshotChunkRequest): void {
  if (index >= minIndex) return;
  throw new Error(`entry ${minIndex} is not in the durable state yet, which stands at ${index}`);
}
