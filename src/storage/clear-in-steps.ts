import type { KeyRange, StorageEngine } from "./storage-engine.ts";

/** Rows that one step removes at most: a millisecond or two of the event loop. */
export const clearStepRowsMax = 256;

/** {@link StorageEngine.clear} for engines without a range deletion that syncs: reads the range and removes it page by page. */
export async function clearInSteps(engine: Pick<StorageEngine, "iterate" | "write">, range: KeyRange): Promise<void> {
  for await (const page of engine.iterate(range)) {
    for (let at = 0; at < page.length; at += clearStepRowsMax) {
      const step = page.slice(at, at + clearStepRowsMax);
      await engine.write(step.map(([key]) => ({ type: "delete", key })));
    }
  }
}
