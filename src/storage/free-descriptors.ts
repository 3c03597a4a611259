import { readdir, readFile } from "node:fs/promises";

/** How many files this process may still open; `undefined` where that is not told, as it is on Linux only. */
export async function freeDescriptors(): Promise<number | undefined> {
  try {
    const limits = await readFile("/proc/self/limits", "latin1");
    const limit = /^Max open files +(\d+)/m.exec(limits)?.[1];
    if (limit === undefined) return undefined;
    return Number(limit) - (await readdir("/proc/self/fd")).length;
  } catch {
    return undefined;
  }
}
