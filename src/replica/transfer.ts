import { assert } from "../lib/assert.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Index } from "../raft/entry.ts";
import type { Installation } from "../storage/installation.ts";
import type { SnapshotChunk } from "../transport/snapshot-transfer.ts";
import type { SnapshotOptions } from "./snapshot-options.ts";

/** A snapshot that this member is fetching. */
export interface SnapshotReceived {
  readonly from: MemberId;
  /** Where it stands; 0 before the first part. */
  readonly index: Index;
  /** Bytes of rows or files that are here. */
  readonly bytes: number;
  /** About what the whole comes to; 0 when not known. */
  readonly totalBytes: number;
  /** Whether it waits for the disk to have room for the rest. */
  readonly waitsForSpace: boolean;
}

/** One way through a snapshot, from where it was begun or resumed. */
export interface Transfer {
  readonly from: MemberId;
  readonly beganMs: number;
  snapshotId: string | null;
  /** Form in which it comes; `undefined` before the first part. */
  form: Installation["type"] | undefined;
  /** Of rows, the last that has arrived; what follows it is asked for next. */
  after: Uint8Array | null;
  /** Of files, the bytes that have arrived. */
  offset: number;
  /** What arrived and waits until what came before is stored: at most one chunk. */
  arrived: SnapshotChunk | undefined;
  asking: boolean;
  /** Whether the last part has arrived. */
  ended: boolean;
  installation: Installation | undefined;
  totalBytes: number;
}

/** A way through a snapshot of `from` that begins, or that goes on with what a start left behind. */
export function newTransfer(from: MemberId, beganMs: number, installation?: Installation): Transfer {
  const nothing = { snapshotId: null, form: undefined, after: null, offset: 0, ended: false, installation };
  const progress = { from, beganMs, totalBytes: 0, arrived: undefined, asking: false };
  if (installation === undefined) return { ...nothing, ...progress };
  const { type: form, bytes: offset } = installation;
  const { snapshotId } = installation.source;
  if (installation.type === "rows") return { ...nothing, ...progress, snapshotId, form, after: installation.lastKey };
  return { ...nothing, ...progress, snapshotId, form, offset, ended: offset === installation.totalBytes };
}

/** Stores a part of a snapshot. */
export function addPart(installation: Installation, part: SnapshotChunk["part"]): Promise<void> {
  if (installation.type === "rows" && part.type === "rows") return installation.addRows(part.rows);
  assert(installation.type === "files" && part.type === "files", "a part of the other form was refused");
  return installation.addBytes(part.data);
}

/** How a part differs from those before it: parts of two states must never come together, whatever went wrong over there. */
export function mismatchOf(transfer: Transfer, { base, part, totalBytes }: SnapshotChunk): string | undefined {
  const { installation, form = part.type } = transfer;
  const standing = installation?.source.base.index ?? base.index;
  if (base.index !== standing || part.type !== form) return `${part.type} at ${base.index}, not ${form} at ${standing}`;
  if (part.type === "rows" || transfer.form === undefined) return undefined;
  const dueBytes = installation?.type === "files" ? installation.totalBytes : transfer.totalBytes;
  return totalBytes === dueBytes ? undefined : `files that come to ${totalBytes} bytes, not ${dueBytes}`;
}

/** Bytes of rows or files in a part. */
export function bytesOf(part: SnapshotChunk["part"]): number {
  if (part.type === "files") return part.data.length;
  return part.rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}

/** What is told of a transfer. */
export function figuresOf({ from, installation, totalBytes }: Transfer): Omit<SnapshotReceived, "waitsForSpace"> {
  return { from, index: installation?.source.base.index ?? 0, bytes: installation?.bytes ?? 0, totalBytes };
}

/** Longest wait that a limit of the rate may ask for: whoever sends lets go of a snapshot that nobody asks rows of. */
export function waitMsMax({ idleMs }: SnapshotOptions): number {
  return idleMs / 3;
}

/** Bytes asked for at once: less than a whole chunk where the rate lets through less than that in the longest wait. */
export function chunkBytesOf(options: SnapshotOptions, form: Transfer["form"]): number {
  const { bytesPerSecondMax } = options;
  const chunkBytes = options.chunkBytes * (form === "files" ? filesFactor : 1);
  if (bytesPerSecondMax === 0) return chunkBytes;
  return Math.min(chunkBytes, Math.ceil((bytesPerSecondMax * waitMsMax(options)) / 1000));
}

/** Files are asked for so many times as much at once as rows: they cost no turn of the event loop anything a row. */
const filesFactor = 4;
