import { mkdir, open, rename, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import { engineReason } from "./engine-reason.ts";
import { systemCode } from "./system-code.ts";

/** Makes a directory and its missing parents, readable by the owner only, so that they survive a power cut. */
export async function makeDirectory(directory: string): Promise<void> {
  try {
    for (const missing of await missingDirectories(resolve(directory))) {
      await mkdir(missing, { mode: 0o700 }).catch(unlessThere);
      await syncDirectory(dirname(missing));
    }
  } catch (cause) {
    throw unusable(directory, "cannot be made", cause);
  }
}

// Step by step: where a file system refuses with ENOENT though the parent is there, Node's recursive mkdir never ends.
async function missingDirectories(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let each = path; ; each = dirname(each)) {
    try {
      if (!(await stat(each)).isDirectory()) throw new Error(`${each} is no directory`);
      return missing;
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
      missing.unshift(each);
    }
  }
}

/** Another process may have made it meanwhile. */
function unlessThere(error: unknown): void {
  if (systemCode(error) !== "EEXIST") throw error;
}

/** Makes the names in a directory durable: the sync of a file does not promise that its name survives. */
export async function syncDirectory(directory: string): Promise<void> {
  // Windows opens no directories, and keeps names without being asked.
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a file with this content; a crash leaves no file, or all of it. */
export async function createFile(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, "w", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** What a directory that cannot be used is answered with. */
export function unusable(directory: string, what: string, cause: unknown): RaftKvError {
  return new RaftKvError("DIRECTORY_UNUSABLE", `${directory} ${what} (${engineReason(cause)})`, { cause });
}
