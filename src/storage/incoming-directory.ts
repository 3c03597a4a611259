import { open, readdir, rename, stat, truncate } from "node:fs/promises";
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
  const names = await readdir(place.path);
  const received = names.includes(besideFiles.received);
  // An engine that was opened here may have removed any of them.
  const whole = received ? files.length : await countWhole(place.path, files);
  const growing = received ? undefined : files[whole];
  const grown = growing === undefined ? 0 : await takeUpGrown(place.path, names, growing.name);
  return new IncomingDirectory(place, description, { whole, grown, received });
}

/** Name of a file that is not whole: with the bytes of it that are durable, since a power cut may leave others behind them. */
function partName(name: string, grown: number): string {
  return `${name}.${grown}.part`;
}

/** Bytes of a file that is not whole; the file has no others then. */
async function takeUpGrown(path: string, names: readonly string[], name: string): Promise<number> {
  const part = names.find((each) => each.startsWith(`${name}.`) && each.endsWith(".part"));
  if (part === undefined) return 0;
  const grown = Number(part.slice(name.length + 1, -".part".length));
  const size = (await sizeOf(join(path, part))) ?? 0;
  if (!Number.isSafeInteger(grown) || size < grown) throw new Error(`${part} has ${size} bytes`);
  await truncate(join(path, part), grown);
  return grown;
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
  #grown: number;
  #bytes: number;
  #received: boolean;
  #opened = false;

  constructor(
    place: IncomingPlace,
    { source, files }: IncomingDescription,
    { whole, grown, received }: { readonly whole: number; readonly grown: number; readonly received: boolean },
  ) {
    this.source = source;
    this.files = files;
    this.totalBytes = bytesOf(files);
    this.#place = place;
    this.#guard = new UseGuard(place.path);
    this.#whole = whole;
    this.#grown = grown;
    this.#bytes = bytesOf(files.slice(0, whole)) + grown;
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

  /** Adds to a file, durably, under another name until it is whole. */
  async #grow(file: EngineFile, part: Uint8Array): Promise<void> {
    const grown = this.#grown + part.length;
    const path = join(this.#place.path, partName(file.name, this.#grown));
    const handle = await open(path, this.#grown === 0 ? "w" : "a", 0o600);
    try {
      await handle.writeFile(part);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(path, join(this.#place.path, grown === file.size ? file.name : partName(file.name, grown)));
    this.#whole += grown === file.size ? 1 : 0;
    this.#grown = grown === file.size ? 0 : grown;
    this.#bytes += part.length;
  }
}

function bytesOf(files: readonly EngineFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
