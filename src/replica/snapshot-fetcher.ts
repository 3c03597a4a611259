import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Index } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { SnapshotToFetch } from "../raft/raft-state.ts";
import type { Installation } from "../storage/installation.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { PeerTransport } from "../transport/peer-transport.ts";
import type { SnapshotChunk } from "../transport/snapshot-transfer.ts";
import type { ReplicaMetrics, SnapshotMetricResult } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { SnapshotInstaller } from "./snapshot-installer.ts";
import type { SnapshotOptions } from "./snapshot-options.ts";
import { SnapshotSpace } from "./snapshot-space.ts";

//   core: fetch a snapshot                    core: beginInstall, installed
//            |                                              ^
//            v                                              |
//   ask -> chunk -> store it durably -> ... -> last one -> SnapshotInstaller
//           '-> ask for the next one meanwhile

/** What fetching needs. */
export interface SnapshotFetcherDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly transport: PeerTransport;
  readonly installer: SnapshotInstaller;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Bytes left on the disk of the store; `null` when not known. */
  readonly availableBytes: () => number | null;
  /** Runs what follows on an answer or a write; see {@link ReplicaLoop.guarded}. */
  readonly guarded: (part: () => void) => void;
  readonly fail: (error: unknown) => void;
}

/** A snapshot that this member is fetching. */
export interface SnapshotReceived {
  readonly from: MemberId;
  /** Where it stands; 0 before the first rows. */
  readonly index: Index;
  /** Bytes of rows that are here, durably. */
  readonly bytes: number;
  /** About what the whole comes to; 0 when not known. */
  readonly totalBytes: number;
  /** Whether it waits for the disk to have room for the rest. */
  readonly waitsForSpace: boolean;
}

/** One way through a snapshot, from where it was begun or resumed. */
interface Transfer {
  readonly from: MemberId;
  readonly beganMs: number;
  snapshotId: string | null;
  /** Last row that has arrived; rows after it are asked for next. */
  after: Uint8Array | null;
  /** Rows that arrived and wait until those before them are stored: at most one chunk. */
  arrived: SnapshotChunk | undefined;
  asking: boolean;
  /** Whether the last rows have arrived. */
  ended: boolean;
  installation: Installation | undefined;
  totalBytes: number;
}

/** Fetches the snapshot that the leader wants this member to have, row by row, and goes on where it broke off. */
export class SnapshotFetcher {
  readonly #deps: SnapshotFetcherDependencies;
  readonly #space: SnapshotSpace;
  #announced: SnapshotToFetch | null = null;
  #announcedAtMs = 0;
  #transfer: Transfer | null = null;
  #storing = false;
  #askAtMs = 0;
  /** In a row. */
  #failures = 0;
  /** Wait after the next failure. */
  #retryMs = 0;

  constructor(deps: SnapshotFetcherDependencies) {
    this.#deps = deps;
    const { availableBytes, options, logger } = deps;
    this.#space = new SnapshotSpace({ availableBytes, spareBytes: options.snapshot.spareBytes, logger });
  }

  /** What is being fetched; `null` when nothing is. */
  get receiving(): SnapshotReceived | null {
    return this.#transfer && { ...figuresOf(this.#transfer), waitsForSpace: this.#space.lacking };
  }

  /** The leader's log does not have any more what this member lacks. Repeated announcements change nothing. */
  announced(snapshot: SnapshotToFetch): void {
    this.#announced = snapshot;
    this.#announcedAtMs = this.#deps.runtime.now();
    // What is being installed is in use as soon as that is durable: it must not be given up. The leader announces again.
    if (this.#deps.installer.installing) return;
    const standing = this.#transfer?.installation?.source.base.index ?? snapshot.index;
    if (this.#transfer === null) {
      // How far the rows of the transfer before will be is not known until they are stored. The leader announces again.
      if (this.#storing) return;
      this.#transfer = this.#resume(snapshot);
    } else if (standing < snapshot.index) this.#beginAnew(snapshot);
    this.#goOn();
  }

  /** Goes on with what had to wait, and gives up what is not needed any more. */
  tick(nowMs: number): void {
    const { options, installer } = this.#deps;
    if (installer.installing) return;
    if (this.#transfer !== null && nowMs - this.#announcedAtMs >= options.snapshot.announcedMs) this.#rest();
    this.#dropOutdated();
    this.#goOn();
  }

  /** What was fetched is installed. */
  installed(): void {
    this.#end("installed");
  }

  /** Rows that a start left behind are of use if they stand where the leader wants them to, or later. */
  #resume(snapshot: SnapshotToFetch): Transfer {
    const { store, logger } = this.#deps;
    const { installation } = store;
    if (installation === undefined || installation.source.base.index < snapshot.index) {
      logger.info({ from: snapshot.from, minIndex: snapshot.index }, "fetching a snapshot");
      return this.#newTransfer(snapshot.from);
    }
    const { lastKey: after, bytes } = installation;
    const { from, snapshotId, base } = installation.source;
    logger.info({ from, index: base.index, bytes }, "fetching the rest of a snapshot");
    return { ...this.#newTransfer(from), snapshotId, after, installation };
  }

  /** Rows of a snapshot fit to no other: what is here will be given up when the first rows of the new one come. */
  #beginAnew({ from }: SnapshotToFetch): void {
    const { installer, logger } = this.#deps;
    this.#end("abandoned");
    installer.forget();
    logger.info({ from }, "fetching a snapshot anew");
    this.#forgetFailures();
    this.#transfer = this.#newTransfer(from);
  }

  /** No leader wants it any more. What is here stays, in case that one does again. */
  #rest(): void {
    this.#deps.installer.forget();
    this.#end("abandoned");
  }

  #end(result: SnapshotMetricResult): void {
    const { metrics, runtime } = this.#deps;
    if (this.#transfer !== null) metrics.snapshotReceived(result, (runtime.now() - this.#transfer.beganMs) / 1000);
    this.#transfer = null;
    this.#space.forget();
  }

  #dropOutdated(): void {
    const { store, fail } = this.#deps;
    const { installation } = store;
    if (installation === undefined || this.#storing) return;
    if (!this.#isOutdated(installation.source.base)) return;
    this.#rest();
    this.#storing = true;
    installation.abandon().then(() => {
      this.#storing = false;
    }, fail);
  }

  #isOutdated({ index }: LogBase): boolean {
    return this.#deps.node.role === "leader" || index <= this.#deps.node.commitIndex;
  }

  #goOn(): void {
    const transfer = this.#transfer;
    if (transfer === null) return;
    const isStored = transfer.ended && transfer.arrived === undefined;
    if (isStored || !this.#space.hasRoomFor(figuresOf(transfer))) return;
    const { arrived } = transfer;
    if (arrived !== undefined && !this.#storing) {
      transfer.arrived = undefined;
      this.#keep(transfer, arrived);
    }
    const full = transfer.arrived !== undefined || transfer.asking || transfer.ended;
    if (!full && this.#deps.runtime.now() >= this.#askAtMs) this.#ask(transfer);
  }

  #ask(transfer: Transfer): void {
    const { transport, options, guarded } = this.#deps;
    const { from, snapshotId, after } = transfer;
    const minIndex = this.#announced?.index ?? 0;
    transfer.asking = true;
    const request = { snapshotId, minIndex, after, bytesMax: chunkBytesOf(options.snapshot) };
    transport.fetchSnapshotChunk(from, request).then(
      (chunk) => guarded(() => this.#answered(transfer, chunk)),
      (error: unknown) => guarded(() => this.#refused(transfer, error)),
    );
  }

  #answered(transfer: Transfer, chunk: SnapshotChunk): void {
    if (transfer !== this.#transfer) return;
    const standing = transfer.installation?.source.base.index ?? chunk.base.index;
    if (chunk.base.index !== standing) {
      // Rows of two states must never come together, whatever went wrong over there.
      this.#refused(transfer, new RaftKvError("SNAPSHOT_GONE", `rows stand at ${chunk.base.index}, not ${standing}`));
      return;
    }
    const bytes = chunk.rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    this.#deps.metrics.snapshotReceivedBytes(bytes);
    const { snapshot } = this.#deps.options;
    const nowMs = this.#deps.runtime.now();
    const waitMs = snapshot.bytesPerSecondMax > 0 ? (bytes * 1000) / snapshot.bytesPerSecondMax : 0;
    this.#askAtMs = Math.min(Math.max(this.#askAtMs, nowMs) + waitMs, nowMs + waitMsMax(snapshot));
    this.#forgetFailures();
    transfer.asking = false;
    transfer.snapshotId = chunk.snapshotId;
    // A copy, because the row is a view of the whole answer.
    transfer.after = chunk.rows.at(-1)?.[0].slice() ?? transfer.after;
    transfer.totalBytes = chunk.totalBytes;
    transfer.ended = chunk.done;
    transfer.arrived = chunk;
    this.#goOn();
  }

  #refused(transfer: Transfer, error: unknown): void {
    if (transfer !== this.#transfer) return;
    const code = error instanceof RaftKvError ? error.code : undefined;
    if (code !== "PEER_UNREACHABLE" && code !== "SNAPSHOT_GONE") throw error;
    transfer.asking = false;
    const { retryMinMs, retryMaxMs } = this.#deps.options.snapshot;
    const waitMs = Math.max(this.#retryMs, retryMinMs);
    this.#askAtMs = this.#deps.runtime.now() + waitMs;
    this.#retryMs = Math.min(retryMaxMs, 2 * waitMs);
    this.#failures++;
    const leader = this.#announced;
    // Any member's snapshot will do; one that does not answer is left for the one that leads now.
    const left = leader !== null && leader.from !== transfer.from && this.#failures >= failuresMax;
    if (leader !== null && (code === "SNAPSHOT_GONE" || left)) this.#beginAnew(leader);
  }

  #forgetFailures(): void {
    this.#failures = 0;
    this.#retryMs = 0;
  }

  #newTransfer(from: MemberId): Transfer {
    const { runtime } = this.#deps;
    const progress = { snapshotId: null, after: null, arrived: undefined, installation: undefined, totalBytes: 0 };
    return { ...progress, from, beganMs: runtime.now(), asking: false, ended: false };
  }

  /** Makes rows durable, and hands the whole to be installed when they were the last. */
  #keep(transfer: Transfer, { snapshotId, base, rows, done }: SnapshotChunk): void {
    const { store, installer, guarded, fail } = this.#deps;
    this.#storing = true;
    const begun = transfer.installation ?? store.beginInstallation({ snapshotId, from: transfer.from, base });
    const stored = Promise.resolve(begun).then(async (installation) => {
      transfer.installation = installation;
      await installation.addRows(rows);
    });
    stored.then(() => {
      this.#storing = false;
      guarded(() => {
        const complete = done && transfer === this.#transfer;
        if (complete && transfer.installation !== undefined) installer.prepare(transfer.installation);
        this.#goOn();
      });
    }, fail);
  }
}

function figuresOf({ from, installation, totalBytes }: Transfer): Omit<SnapshotReceived, "waitsForSpace"> {
  return { from, index: installation?.source.base.index ?? 0, bytes: installation?.bytes ?? 0, totalBytes };
}

/** Longest wait that a limit of the rate may ask for: whoever sends lets go of a snapshot that nobody asks rows of. */
function waitMsMax({ idleMs }: SnapshotOptions): number {
  return idleMs / 3;
}

/** Less than a whole chunk where the rate lets through less than that in the longest wait. */
function chunkBytesOf(options: SnapshotOptions): number {
  const { chunkBytes, bytesPerSecondMax } = options;
  if (bytesPerSecondMax === 0) return chunkBytes;
  return Math.min(chunkBytes, Math.ceil((bytesPerSecondMax * waitMsMax(options)) / 1000));
}

/** Failures in a row after which rows are no longer asked of a member that does not lead any more. */
const failuresMax = 3;
