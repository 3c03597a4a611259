import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBase } from "../../src/storage/base-row.ts";
import { type EngineName, engineDirectory, openEngine } from "../../src/storage/engine-directory.ts";
import { logKeyIndex, logRange, metaKeys } from "../../src/storage/row-keys.ts";

/**
 * Records that a compaction of a member that is down had made garbage and had not removed: whether it died in the middle of
 * that. Looks at a copy, so that the member itself recovers from what its death left.
 */
export async function recordsToRemove(dataDirectory: string, engineName: EngineName): Promise<number> {
  const copy = await mkdtemp(join(tmpdir(), "raftkv-copy-"));
  try {
    await cp(dataDirectory, copy, { recursive: true });
    const engine = await openEngine(engineName, engineDirectory(copy, engineName));
    try {
      const row = engine.get(metaKeys.base);
      const base = row === undefined ? 0 : readBase(row).index;
      let garbage = 0;
      for await (const page of engine.iterate(logRange)) {
        garbage += page.filter(([key]) => (logKeyIndex(key) ?? base + 1) <= base).length;
      }
      return garbage;
    } finally {
      await engine.close();
    }
  } finally {
    await rm(copy, { recursive: true });
  }
}
