import { readFileSync } from "node:fs";

// Linux counts in hundredths of a second on every platform that Node supports.
const microsecondsPerTick = 10_000;

/** User and system time of the processes so far, all threads, in microseconds; `undefined` where there is no /proc. */
export function cpuMicroseconds(pids: readonly number[]): number | undefined {
  try {
    return pids.reduce((sum, pid) => sum + ticksOf(pid), 0) * microsecondsPerTick;
  } catch {
    return undefined;
  }
}

function ticksOf(pid: number): number {
  // The second field is the command in parentheses and may contain spaces; utime and stime are the 14th and 15th.
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
