import type { RowChange } from "./storage-engine.ts";
import type { StoreState } from "./store-state.ts";

/** Runs a write that no turn depends on: beside the lane, so that no turn waits for it. Rejects with what the guard makes of a failure. */
export async function apart<T>(
  { guard, writes }: Pick<StoreState, "guard" | "writes">,
  write: () => Promise<T>,
): Promise<T> {
  guard.check();
  try {
    return await writes.watch(write);
  } catch (error) {
    throw guard.fail(error);
  }
}

/** Writes rows that no turn depends on, without progress of the store's. */
export function writeApart(state: StoreState, rows: readonly RowChange[]): Promise<void> {
  return apart(state, () => state.engine.write(rows));
}
