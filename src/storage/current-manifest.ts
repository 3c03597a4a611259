import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { damaged } from "./damaged.ts";
import { systemCode } from "./system-code.ts";

/**
 * Path of the manifest that either engine will read, which the file `CURRENT` names; `undefined` where no database is yet.
 *
 * Rejects with `STATE_CORRUPT` when `CURRENT` names none, or one that is not there, or is missing beside tables or logs: there an
 * engine would make a new database, and remove the files of the one that it does not see.
 */
export async function currentManifest(directory: string): Promise<string | undefined> {
  const names = await namesIn(directory);
  const current = join(directory, "CURRENT");
  if (!names.includes("CURRENT")) {
    if (names.some((name) => /^\d+\.(log|ldb|sst)$/.test(name)))
      throw damaged("STATE_CORRUPT", `${current} is missing`);
    return undefined;
  }
  const name = manifestNamedIn(await readFile(current, "latin1"));
  if (name === undefined) throw damaged("STATE_CORRUPT", `${current} is damaged: it names no manifest`);
  const manifest = join(directory, name);
  if (!names.includes(name)) throw damaged("STATE_CORRUPT", `${manifest} is missing, which CURRENT names`);
  return manifest;
}

/** Name of the manifest that the content of `CURRENT` names; `undefined` when it names none. */
export function manifestNamedIn(content: string): string | undefined {
  return /^(MANIFEST-\d+)\n$/.exec(content)?.[1];
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}
