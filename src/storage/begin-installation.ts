import { assert } from "../lib/assert.ts";
import type { EngineFile } from "./engine-home.ts";
import { FileInstallation } from "./file-installation.ts";
import type { InstallationSource } from "./installation.ts";
import { RowInstallation } from "./row-installation.ts";
import { generationMax } from "./row-keys.ts";
import { formatWritten, type StoreInstallation, type StoreState } from "./store-state.ts";

/** Begins to install a snapshot in rows; the installation under way, if there is one, is given up. */
export async function beginRowInstallation(state: StoreState, source: InstallationSource): Promise<RowInstallation> {
  assert(state.highestGeneration < generationMax, "there are no more generations");
  checkMayBegin(state);
  state.highestGeneration += 1;
  const nothing = { lastKey: null, rowCount: 0, bytes: 0, markedBytes: 0 };
  const installation = new RowInstallation(state, { source, generation: state.highestGeneration, ...nothing });
  await takePlace(state, installation);
  formatWritten(state);
  return installation;
}

/**
 * The same in files, which are to come from an engine of the same kind. Rejects with `STATE_CORRUPT` when they cannot be those of an
 * engine, and nothing is being installed then.
 */
export async function beginFileInstallation(
  state: StoreState,
  source: InstallationSource,
  files: readonly EngineFile[],
): Promise<FileInstallation> {
  const { home, former } = state;
  assert(home !== undefined && former === undefined, "files have no place to go to");
  checkMayBegin(state);
  const installation = new FileInstallation(state, home, source, files);
  try {
    await takePlace(state, installation);
  } catch (error) {
    if (state.installation === installation) state.installation = undefined;
    throw error;
  }
  return installation;
}

function checkMayBegin({ installation }: StoreState): void {
  // Its rows would be removed after they have become the state.
  assert(installation?.finishing !== true, "an installation that is being finished is not given up");
}

async function takePlace(state: StoreState, installation: StoreInstallation): Promise<void> {
  const { installation: former } = state;
  state.installation = installation;
  try {
    await installation.begin(former);
  } finally {
    // Also where files are refused: the one before has ended by then.
    if (!state.guard.failed) former?.sweep();
  }
}
