import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "@node-rs/crc32";
import { ByteCursor } from "./byte-cursor.ts";
import { damaged } from "./damaged.ts";
import { unmaskChecksum } from "./level-log-reader.ts";
import { liveLevelTables } from "./level-manifest.ts";
import { systemCode } from "./system-code.ts";

// A table is a run of blocks, each followed by its type (1) and CRC-32C (4, masked). The footer names two of them: the
// index, whose rows point to the data blocks, and the meta index, whose rows point to the filters.

const footerBytes = 48;
const trailerBytes = 5;
const magic = 0xdb4775248b80fb57n;
const uncompressed = 0;

/**
 * Rejects with `STATE_CORRUPT`, naming the file, when a block of a table that LevelDB counts on is damaged.
 *
 * LevelDB does not look at the checksums of its tables: a row whose key was hit would just be gone, and the next compaction
 * would give the damage a new checksum. So this comes before LevelDB opens. It reads all tables once, at about the speed at
 * which they can be read; two are in memory at a time, up to a write buffer each.
 */
export async function checkLevelTables(directory: string): Promise<void> {
  const names = (await liveLevelTables(directory)).map((number) => `${String(number).padStart(6, "0")}.ldb`);
  const paths = names.map((name) => join(directory, name));
  // Two for all tables: V8 collects all garbage again and again where each comes in memory of its own.
  const buffers = [new TableBuffer(), new TableBuffer()];
  const read = async (at: number): Promise<Buffer | Error> => (await buffers[at % 2]?.read(paths[at])) ?? none;
  let reading = read(0);
  for (const [at, path] of paths.entries()) {
    const table = await reading;
    // Read while the one before it is checked.
    reading = read(at + 1);
    try {
      if (table instanceof Error) throw table;
      checkTable(table);
    } catch (cause) {
      // LevelDB refuses to open without it, and says so.
      if (systemCode(cause) === "ENOENT") continue;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw damaged("STATE_CORRUPT", `${path} is damaged: ${reason}`, cause);
    }
  }
}

const none = Buffer.alloc(0);

/** Memory that tables are read into, one after another. */
class TableBuffer {
  #bytes = none;

  /** A table as it is, or why it cannot be read; never rejects, because nobody may be waiting for it any more. Good until the next read. */
  async read(path: string | undefined): Promise<Buffer | Error> {
    if (path === undefined) return none;
    try {
      const handle = await open(path, "r");
      try {
        return await this.#readAll(handle);
      } finally {
        await handle.close();
      }
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #readAll(handle: FileHandle): Promise<Buffer> {
    const { size } = await handle.stat();
    if (this.#bytes.length < size) this.#bytes = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    for (let bytesRead = -1; filled < size && bytesRead !== 0; filled += bytesRead) {
      ({ bytesRead } = await handle.read(this.#bytes, filled, size - filled, filled));
    }
    return this.#bytes.subarray(0, filled);
  }
}

function checkTable(table: Buffer): void {
  if (table.length < footerBytes || table.readBigUInt64LE(table.length - 8) !== magic) {
    throw new RangeError("its footer is not there");
  }
  const footer = new ByteCursor(table.subarray(table.length - footerBytes));
  const metaIndex = readBlock(table, footer);
  const index = readBlock(table, footer);
  for (const block of [metaIndex, index])
    for (const handle of rowValues(block)) readBlock(table, new ByteCursor(handle));
}

/** Checks the block that a handle (offset, size) points to and gives its content. */
function readBlock(table: Buffer, handle: ByteCursor): Buffer {
  const offset = handle.varint();
  const end = offset + handle.varint();
  if (end + trailerBytes > table.length) throw new RangeError(`the block at ${offset} reaches beyond the end`);
  if (unmaskChecksum(table.readUInt32LE(end + 1)) !== crc32c(table.subarray(offset, end + 1))) {
    throw new RangeError(`the checksum of the block at ${offset} does not match`);
  }
  if (table.readUInt8(end) !== uncompressed) throw new RangeError(`the block at ${offset} is compressed`);
  return table.subarray(offset, end);
}

/** Values of a block's rows: shared key bytes, further key bytes, value bytes, key, value; restart points end the block. */
function* rowValues(block: Buffer): Generator<Buffer> {
  const restarts = block.readUInt32LE(block.length - 4);
  const rows = new ByteCursor(block.subarray(0, block.length - 4 * (restarts + 1)));
  while (!rows.atEnd) {
    rows.varint();
    const keyBytes = rows.varint();
    const valueBytes = rows.varint();
    rows.take(keyBytes);
    yield rows.take(valueBytes);
  }
}
