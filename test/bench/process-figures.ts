import { readFileSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const bytesPerKib = 1024;
/** What `stat` counts a file's space in. */
const bytesPerBlock = 512;

/** Bytes that a process has given to its disks so far, and those that it will not because they were removed before; Linux only. */
export function writtenBytes(pid: number): number {
  return numberIn(`/proc/${pid}/io`, /^write_bytes: (\d+)$/m);
}

/** Memory of a process that is in RAM, bytes. */
export interface ResidentMemory {
  /** What the process itself holds. */
  readonly own: number;
  /** Pages of files that it has mapped, LevelDB's tables among them: the system takes them back when it needs the room. */
  readonly mapped: number;
}

/** Memory of a process that is in RAM; Linux only. */
export function residentMemory(pid: number): ResidentMemory {
  const path = `/proc/${pid}/status`;
  return {
    own: numberIn(path, /^RssAnon:\s+(\d+) kB$/m) * bytesPerKib,
    mapped: numberIn(path, /^RssFile:\s+(\d+) kB$/m) * bytesPerKib,
  };
}

function numberIn(path: string, pattern: RegExp): number {
  const found = pattern.exec(readFileSync(path, "utf8"))?.[1];
  if (found === undefined) throw new Error(`${path} says nothing of ${pattern.source}`);
  return Number(found);
}

/** Space that a directory takes on its disk, bytes. Files may come and go meanwhile. */
export async function diskBytes(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const sizes = entries.map(async (entry) => {
    try {
      return (await lstat(join(entry.parentPath, entry.name))).blocks * bytesPerBlock;
    } catch {
      return 0;
    }
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Watches what a process writes until it has ended; the last look is a little before that. */
export async function writtenUntil(ended: Promise<unknown>, pid: number, intervalMs = 50): Promise<number> {
  let written = 0;
  const timer = setInterval(() => {
    try {
      written = writtenBytes(pid);
    } catch {
      // It is gone, and its end about to be told.
      clearInterval(timer);
    }
  }, intervalMs);
  await ended;
  clearInterval(timer);
  return written;
}

/** Watches the memory of processes until it is stopped; gives the most that each had, in their order. */
export function watchMemory(pids: readonly number[], intervalMs = 100): () => ResidentMemory[] {
  let most = pids.map(residentMemory);
  const timer = setInterval(() => {
    most = pids.map((pid, at) => largest(most[at], residentMemory(pid)));
  }, intervalMs);
  return () => {
    clearInterval(timer);
    return most;
  };
}

function largest(before: ResidentMemory | undefined, now: ResidentMemory): ResidentMemory {
  return { own: Math.max(before?.own ?? 0, now.own), mapped: Math.max(before?.mapped ?? 0, now.mapped) };
}
