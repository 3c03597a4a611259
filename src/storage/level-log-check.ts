import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "@node-rs/crc32";
import { RaftKvError } from "../lib/errors.ts";

// LevelDB's own log is a run of 32 KiB blocks; a record lies in one fragment or several, each with a header of
// CRC-32C (masked), length and type, and holds one batch: the sequence number of its first change and their count.

const blockBytes = 32_768;
const headerBytes = 7;
const batchHeadBytes = 12;
const fragment = { full: 1, first: 2, middle: 3, last: 4 } as const;

/** The changes that a record of LevelDB's log holds. */
interface Batch {
  readonly firstSequence: bigint;
  readonly count: number;
}

/**
 * Rejects with `LOG_CORRUPT` when a batch is missing between two others of the logs that LevelDB would replay.
 *
 * LevelDB skips damaged blocks of its log without a word, and what was in them is gone while later writes are there. The
 * sequence numbers of the batches that are left show it. A missing tail cannot be seen here: the watermark is for that.
 * The logs are as large as two write buffers at most.
 */
export async function checkWriteAheadLogs(directory: string): Promise<void> {
  let expected: bigint | undefined;
  for (const name of await logNames(directory)) {
    for (const batch of readBatches(await readFile(join(directory, name)))) {
      if (expected !== undefined && batch.firstSequence !== expected) {
        throw new RaftKvError(
          "LOG_CORRUPT",
          `${join(directory, name)} is damaged: change ${batch.firstSequence} follows where ${expected} is due; ` +
            "do not delete the directory, replace the member",
        );
      }
      expected = batch.firstSequence + BigInt(batch.count);
    }
  }
}

async function logNames(directory: string): Promise<string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => /^\d+\.log$/.test(name));
    return names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** The batches whose every fragment is intact; what is damaged or torn is passed over, as LevelDB does. */
function* readBatches(file: Buffer): Generator<Batch> {
  let head: Buffer | undefined;
  for (const { type, data } of readFragments(file)) {
    if (type === fragment.full || type === fragment.first) head = Buffer.alloc(0);
    else if (type !== fragment.middle && type !== fragment.last) head = undefined;
    if (head === undefined) continue;
    // The head of a batch may itself be cut by the end of a block.
    if (head.length < batchHeadBytes) head = Buffer.concat([head, data.subarray(0, batchHeadBytes - head.length)]);
    if (type !== fragment.full && type !== fragment.last) continue;
    if (head.length === batchHeadBytes) yield { firstSequence: head.readBigUInt64LE(0), count: head.readUInt32LE(8) };
    head = undefined;
  }
}

/** Every fragment in order; type 0 stands for the damaged or torn rest of a block. */
function* readFragments(file: Buffer): Generator<{ readonly type: number; readonly data: Buffer }> {
  let offset = 0;
  while (offset < file.length) {
    const blockEnd = Math.min(file.length, offset - (offset % blockBytes) + blockBytes);
    const end = offset + headerBytes <= blockEnd ? offset + headerBytes + file.readUInt16LE(offset + 4) : blockEnd + 1;
    if (end <= blockEnd && unmask(file.readUInt32LE(offset)) === crc32c(file.subarray(offset + 6, end))) {
      yield { type: file.readUInt8(offset + 6), data: file.subarray(offset + headerBytes, end) };
      offset = end;
      continue;
    }
    // Up to six bytes at the end of a block are no damage: no header fits there.
    if (blockEnd - offset >= headerBytes) yield { type: 0, data: file.subarray(offset, blockEnd) };
    offset = blockEnd;
  }
}

/** LevelDB stores checksums rotated and offset, so that a checksum over data with checksums in it stays strong. */
function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
