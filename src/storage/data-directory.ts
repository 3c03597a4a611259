import { mkdir, open, rename } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { RaftKvError } from "../lib/errors.ts";

/** Makes a directory and its missing parents, readable by the owner only, so that they survive a power cut. */
export async function makeDirectory(directory: string): Promise<void> {
  const path = resolve(directory);
  try {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
  } catch (cause) {
    throw unusable(directory, "cannot be made", cause);
  }
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
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RaftKvError("DIRECTORY_UNUSABLE", `${directory} ${what} (${reason})`, { cause });
}

/** Code of a system error, such as "ENOENT"; `undefined` for everything else. */
export function systemCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
