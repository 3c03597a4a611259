import { readFile } from "node:fs/promises";
import { ByteCursor } from "./byte-cursor.ts";
import { currentManifest } from "./current-manifest.ts";
import { damaged } from "./damaged.ts";
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
 * has never been. Rejects with `STATE_CORRUPT` when the manifest, or `CURRENT`, which names it, makes no sense.
 */
export async function liveLevelTables(directory: string): Promise<number[]> {
  const manifest = await currentManifest(directory);
  return manifest === undefined ? [] : tablesInManifest(await readFile(manifest), manifest);
}

/** The same of a manifest's content; `path` names it in the error. Throws `STATE_CORRUPT`. */
export function tablesInManifest(content: Buffer, path: string): number[] {
  const live = new Set<number>();
  try {
    for (const edit of readLevelRecords(content)) applyEdit(new ByteCursor(edit), live);
  } catch (error) {
    throw error instanceof RangeError ? damaged("STATE_CORRUPT", `${path} is damaged: ${error.message}`, error) : error;
  }
  return [...live].sort((a, b) => a - b);
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
