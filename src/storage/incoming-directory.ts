import { open, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import { createFile, syncDirectory } from "./data-directory.ts";
import { type EngineName, openEngine, removeEngineDirectory } from "./engine-directory.ts";
import type { EngineFile, IncomingFiles } from "./engine-home.ts";
import { besideFiles, type IncomingDescription } from "./incoming-description.ts";
import type { InstallationSource } from "./installation.ts";
import type { StorageEngine } from "./storage-engine.ts";
import { systemCode } from "./system-code.ts";
import { UseGuard } from "./use-guard.ts";

/** Where files on their way get together, and who hears what becomes of them. */
export interface IncomingPlace {
  readonly path: string;
  readonly engineName: EngineName;
  readonly onAdopted: () => void;
  readonly onRemoved: () => void;
}

/** The files that are on their way into a directory, which holds their description. Nothing is open between two calls. */
export async function openIncoming(place: IncomingPlace, description: IncomingDescription): Promise<IncomingFiles> {
  const { files } = description;
  const received = (await readdir(place.path)).includes(besideFiles.received);
  // An engine that was opened here may have removed any of them.
  const whole = received ? files.length : await countWhole(place.path, files);
  return new IncomingDirectory(place, description, { whole, received });
}

async function countWhole(path: string, files: readonly EngineFile[]): Promise<number> {
  for (const [at, { name, size }] of files.entries()) {
    if ((await sizeOf(join(path, name))) !== size) return at;
  }
  return files.length;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    return undefined;
  }
}

class IncomingDirectory implements IncomingFiles {
  readonly source: InstallationSource;
  readonly files: readonly EngineFile[];
  readonly totalBytes: number;
  readonly #place: IncomingPlace;
  readonly #guard: UseGuard;
  /** Files that are whole; the next is the one that grows. */
  #whole: number;
  /** Bytes of the one that grows. */
  #grown = 0;
  #bytes: number;
  #received: boolean;
  #opened = false;

  constructor(
    place: IncomingPlace,
    { source, files }: IncomingDescription,
    { whole, received }: { readonly whole: number; readonly received: boolean },
  ) {
    this.source = source;
    this.files = files;
    this.totalBytes = bytesOf(files);
    this.#place = place;
    this.#guard = new UseGuard(place.path);
    this.#whole = whole;
    this.#bytes = bytesOf(files.slice(0, whole));
    this.#received = received;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(data: Uint8Array): Promise<void> {
    assert(data.length <= this.totalBytes - this.bytes, "more bytes come than are missing");
    return this.#guarded(() => this.#take(data));
  }

  async open(): Promise<StorageEngine> {
    assert(this.bytes === this.totalBytes, "files are missing from an engine that is to be opened");
    await this.#guarded(() => this.#take(new Uint8Array(0)));
    this.#opened = true;
    return openEngine(this.#place.engineName, this.#place.path);
  }

  async adopt(): Promise<void> {
    assert(this.#opened, "an engine is adopted that was never opened");
    await this.#guarded(async () => {
      // Of names that the engine made some may not be durable yet.
      await syncDirectory(this.#place.path);
      await createFile(join(this.#place.path, besideFiles.adopted), new Uint8Array(0));
    });
    this.#guard.close();
    this.#place.onAdopted();
  }

  async remove(): Promise<void> {
    this.#guard.close();
    try {
      await removeEngineDirectory(this.#place.path);
    } finally {
      this.#place.onRemoved();
    }
  }

  /** A write or sync that failed is not repeated; all that can be done then is to remove everything. */
  async #guarded(write: () => Promise<void>): Promise<void> {
    this.#guard.check();
    try {
      await write();
    } catch (error) {
      throw this.#guard.fail(error);
    }
  }

  async #take(data: Uint8Array): Promise<void> {
    let rest = data;
    for (let file = this.files[this.#whole]; file !== undefined; file = this.files[this.#whole]) {
      const part = rest.subarray(0, file.size - this.#grown);
      rest = rest.subarray(part.length);
      if (part.length === 0 && this.#grown < file.size) return;
      await this.#grow(file, part);
    }
    if (this.#received) return;
    await syncDirectory(this.#place.path);
    await createFile(join(this.#place.path, besideFiles.received), new Uint8Array(0));
    this.#received = true;
  }

  /** Adds to a file, under another name until it is whole and durable. */
  async #grow(file: EngineFile, part: Uint8Array): Promise<void> {
    const path = join(this.#place.path, file.name);
    const grown = this.#grown + part.length;
    const handle = await open(`${path}.part`, this.#grown === 0 ? "w" : "a", 0o600);
    try {
      await handle.writeFile(part);
      if (grown === file.size) await handle.sync();
    } finally {
      await handle.close();
    }
    if (grown === file.size) await rename(`${path}.part`, path);
    this.#whole += grown === file.size ? 1 : 0;
    this.#grown = grown === file.size ? 0 : grown;
    this.#bytes += part.length;
  }
}

function bytesOf(files: readonly EngineFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
