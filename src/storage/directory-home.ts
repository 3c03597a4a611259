import { rm } from "node:fs/promises";
import { assert } from "../lib/assert.ts";
import { makeDirectory } from "./data-directory.ts";
import {
  type EngineName,
  engineDirectory,
  numberedDirectory,
  numberedEngines,
  removeEngineDirectory,
} from "./engine-directory.ts";
import type { EngineFile, EngineFiles, EngineHome, IncomingFiles } from "./engine-home.ts";
import { holdEngineFiles } from "./held-files.ts";
import {
  checkEngineFiles,
  type IncomingDescription,
  readDescription,
  writeDescription,
} from "./incoming-description.ts";
import { openIncoming } from "./incoming-directory.ts";
import type { InstallationSource } from "./installation.ts";

/**
 * The home of an engine in a data directory, which `settleEngines` has settled under the lock that is still held. Rejects as
 * reading files does.
 */
export async function openDirectoryHome(directory: string, engineName: EngineName): Promise<EngineHome> {
  const home = new DirectoryHome(directory, engineName);
  await home.findIncoming();
  return home;
}

class DirectoryHome implements EngineHome {
  readonly engineName: EngineName;
  incoming: IncomingFiles | undefined;
  readonly #directory: string;
  /** Where the engine in use has its files. */
  #inUse: string;
  /** Where those before it have theirs, oldest first. */
  readonly #former: string[] = [];
  /** Highest number that was given to a directory; none is given twice, since a removal may be under way. */
  #lastNumber = 0;
  #onTheWay = false;

  constructor(directory: string, engineName: EngineName) {
    this.engineName = engineName;
    this.#directory = directory;
    this.#inUse = engineDirectory(directory, engineName);
  }

  async findIncoming(): Promise<void> {
    const number = (await numberedEngines(this.#directory, this.engineName)).at(-1);
    if (number === undefined) return;
    this.#lastNumber = number;
    const path = numberedDirectory(this.#directory, this.engineName, number);
    const description = await readDescription(path);
    if (description !== undefined) this.incoming = await this.#open(path, description);
  }

  files(): Promise<EngineFiles> {
    return holdEngineFiles(this.#inUse, this.engineName);
  }

  async receive(source: InstallationSource, files: readonly EngineFile[]): Promise<IncomingFiles> {
    assert(!this.#onTheWay, "files are to come while others are on their way");
    checkEngineFiles(files);
    this.#lastNumber += 1;
    const path = numberedDirectory(this.#directory, this.engineName, this.#lastNumber);
    const description = { source, files };
    try {
      await makeDirectory(path);
      await writeDescription(path, description);
    } catch (error) {
      // Without a description it means nothing; the next start removes what is still there.
      await rm(path, { recursive: true, force: true }).catch(() => {});
      throw error;
    }
    return this.#open(path, description);
  }

  async removeFormer(): Promise<void> {
    // What a removal leaves that fails is for the next start.
    for (const path of this.#former.splice(0)) await removeEngineDirectory(path);
  }

  #open(path: string, description: IncomingDescription): Promise<IncomingFiles> {
    this.#onTheWay = true;
    const onAdopted = (): void => {
      this.#onTheWay = false;
      this.#former.push(this.#inUse);
      this.#inUse = path;
    };
    const onRemoved = (): void => {
      this.#onTheWay = false;
    };
    return openIncoming({ path, engineName: this.engineName, onAdopted, onRemoved }, description);
  }
}
