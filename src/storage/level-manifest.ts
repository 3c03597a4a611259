import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ByteCursor } from "./byte-cursor.ts";
import { systemCode } from "./data-directory.ts";
import { readLevelRecords } from "./level-log-reader.ts";

/** Fields of an edit, each a number and then what it says. */
const fields = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/**
 * Numbers of the tables that LevelDB counts on, ordered; what else lies there is left over from a crash. None where LevelDB
 * has never been. Throws when the manifest cannot be read.
 */
export async function liveLevelTables(directory: string): Promise<number[]> {
  const live = new Set<number>();
  for (const edit of readLevelRecords(await readManifest(directory))) applyEdit(new ByteCursor(edit), live);
  return [...live].sort((a, b) => a - b);
}

async function readManifest(directory: string): Promise<Buffer> {
  try {
    const current = await readFile(join(directory, "CURRENT"), "utf8");
    return await readFile(join(directory, current.trim()));
  } catch (error) {
    // Nothing to check: LevelDB makes what is missing when everything is, and refuses to open otherwise.
    if (systemCode(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}

function applyEdit(edit: ByteCursor, live: Set<number>): void {
  while (!edit.atEnd) {
    const field = edit.varint();
    switch (field) {
      case fields.comparator:
        edit.lengthPrefixed();
        break;
      case fields.logNumber:
      case fields.nextFile:
      case fields.lastSequence:
      case fields.previousLog:
        edit.varint();
        break;
      case fields.compactPointer:
        edit.varint();
        edit.lengthPrefixed();
        break;
      case fields.deletedFile:
        edit.varint();
        live.delete(edit.varint());
        break;
      case fields.newFile:
        live.add(readNewFile(edit));
        break;
      default:
        throw new RangeError(`field ${field} of the manifest is unknown`);
    }
  }
}

/** Level, number, size, smallest key, largest key. */
function readNewFile(edit: ByteCursor): number {
  edit.varint();
  const number = edit.varint();
  edit.varint();
  edit.lengthPrefixed();
  edit.lengthPrefixed();
  return number;
}
