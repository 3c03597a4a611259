import type { StateFiles } from "./member-store.ts";
import type { StoreState } from "./store-state.ts";

/**
 * The files of the engine at a moment at which no turn is being written, which is what the state in them stands at; `undefined` where
 * there are none to give. Turns wait meanwhile: for as long as a directory takes to read. Rejects when the files cannot be opened,
 * which concerns nobody else.
 */
export async function openStateFiles(state: StoreState): Promise<StateFiles | undefined> {
  const { home, lane } = state;
  if (home === undefined) return undefined;
  let opening: Promise<StateFiles> | undefined;
  await lane.run(async () => {
    const { appliedIndex } = state.progress;
    opening = home.files().then((files) => ({ engine: home.engineName, appliedIndex, files }));
    // Seen by the caller: a lane takes what fails in it for a failed write.
    await opening.catch(() => {});
  });
  return opening;
}
