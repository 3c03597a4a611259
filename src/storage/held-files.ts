import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { RaftKvError } from "../lib/errors.ts";
import { manifestNamedIn } from "./current-manifest.ts";
import { damaged } from "./damaged.ts";
import { unusable } from "./data-directory.ts";
import type { EngineName } from "./engine-directory.ts";
import type { EngineFile, EngineFiles } from "./engine-home.ts";
import { freeDescriptors } from "./free-descriptors.ts";
import { tablesInManifest } from "./level-manifest.ts";
import { systemCode } from "./system-code.ts";
import { UseGuard } from "./use-guard.ts";

/** How often the files are looked at again because the engine has changed its manifest meanwhile, and the pause before that. */
const attemptsMax = 20;
const pauseMs = 10;

/** Tables that are opened at once. */
const openingMax = 64;

/**
 * Descriptors that are left to everybody else: about as many as an engine may have of its own tables, and some for connections. An
 * engine that gets none for a new table fails a write, and that stops the member.
 */
const spareDescriptors = 1_200;

/** A file with what its bytes are read from. */
interface HeldFile extends EngineFile {
  readonly content: FileHandle | Uint8Array;
}

/**
 * The files of an engine that is open in a directory, held by their descriptors: what the engine removes is still read, what it
 * adds is not, and a crash leaves nothing behind.
 *
 * Both engines work alike. Tables never change once the manifest names them, manifest and logs only grow, and what the manifest
 * counts on is not removed before the manifest says so. So the manifest up to some size, the tables that it names, and the logs
 * at any time before it grew again, make a database. A log is complete once there is a later one: the newest is measured
 * first, so that no change is there without those before it.
 *
 * Rejects with `DIRECTORY_UNUSABLE` when the manifest changed all the time, a file cannot be opened, or too few more could be; with `STATE_CORRUPT` when
 * `CURRENT` or the manifest make no sense.
 */
export async function holdEngineFiles(directory: string, engineName: EngineName): Promise<EngineFiles> {
  const holder = new FileHolder(directory, engineName);
  try {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const held = await holder.hold();
      if (held !== undefined) return new HeldFiles(directory, held);
      await pause(pauseMs);
    }
  } catch (error) {
    await holder.close();
    throw error instanceof RaftKvError ? error : unusable(directory, "has files that cannot be opened", error);
  }
  await holder.close();
  throw new RaftKvError(
    "DIRECTORY_UNUSABLE",
    `${directory} has changed its files ${attemptsMax} times, as often as it was looked at`,
  );
}

/** Opens files; what is open stays so over further attempts, which find it unchanged: no number is given twice. */
class FileHolder {
  readonly #directory: string;
  readonly #engineName: EngineName;
  readonly #open = new Map<string, FileHandle>();

  constructor(directory: string, engineName: EngineName) {
    this.#directory = directory;
    this.#engineName = engineName;
  }

  /** One attempt; `undefined` when the manifest has changed meanwhile. */
  async hold(): Promise<HeldFile[] | undefined> {
    const current = await readFile(join(this.#directory, "CURRENT"));
    const manifest = await this.#holdManifest(current);
    if (manifest === undefined) return undefined;
    const names = await readdir(this.#directory);
    await this.#checkDescriptors(names.length - this.#open.size);
    const logs = await this.#holdAll(numbered(names, /^(\d+)\.log$/).reverse());
    const tables = await this.#holdTogether(await this.#tables(names, manifest));
    const again = await readFile(join(this.#directory, "CURRENT"));
    if (!again.equals(current) || (await sizeOf(manifest.content)) !== manifest.size) return undefined;
    const held = [...tables, ...logs.reverse(), manifest, { name: "CURRENT", size: current.length, content: current }];
    await this.#closeBut(new Set(held.map(({ name }) => name)));
    return held;
  }

  async close(): Promise<void> {
    await this.#closeBut(new Set());
  }

  async #checkDescriptors(wanted: number): Promise<void> {
    const free = (await freeDescriptors()) ?? Number.POSITIVE_INFINITY;
    if (free >= wanted + spareDescriptors) return;
    const what = `${wanted} files to hold, and this process may open ${free} more, of which ${spareDescriptors} have to stay free`;
    throw new RaftKvError("DIRECTORY_UNUSABLE", `${this.#directory} has ${what}`);
  }

  async #holdManifest(current: Buffer): Promise<(HeldFile & { readonly content: FileHandle }) | undefined> {
    const name = manifestNamedIn(current.toString("latin1"));
    if (name === undefined) throw damaged("STATE_CORRUPT", `${join(this.#directory, "CURRENT")} names no manifest`);
    const content = await this.#handle(name);
    return content && { name, size: await sizeOf(content), content };
  }

  /** Names of the tables that count. RocksDB's manifest is not read: the few that it does not name are removed by an open. */
  async #tables(names: readonly string[], { name, size, content }: HeldFile & { readonly content: FileHandle }) {
    const tables = numbered(names, /^(\d+)\.(?:ldb|sst)$/);
    if (this.#engineName !== "classic-level") return tables;
    const manifest = Buffer.alloc(size);
    for (let read = 0, more = 1; read < size && more > 0; read += more) {
      ({ bytesRead: more } = await content.read(manifest, read, size - read, read));
    }
    const live = new Set(tablesInManifest(manifest, join(this.#directory, name)));
    return tables.filter((table) => live.has(Number.parseInt(table, 10)));
  }

  /** Opens and measures files in this order; those that are gone are left out, for they do not count if the manifest stays. */
  async #holdAll(names: readonly string[]): Promise<HeldFile[]> {
    const held: HeldFile[] = [];
    for (const name of names) {
      const content = await this.#handle(name);
      if (content !== undefined) held.push({ name, size: await sizeOf(content), content });
    }
    return held;
  }

  /** The same without an order, some at a time: a store that has thousands of tables waits. */
  async #holdTogether(names: readonly string[]): Promise<HeldFile[]> {
    const held: HeldFile[] = [];
    for (let at = 0; at < names.length; at += openingMax) {
      const opening = names.slice(at, at + openingMax).map((name) => this.#holdAll([name]));
      // Each of them ends, so that none is opened after a close.
      await Promise.allSettled(opening);
      held.push(...(await Promise.all(opening)).flat());
    }
    return held;
  }

  async #handle(name: string): Promise<FileHandle | undefined> {
    const there = this.#open.get(name);
    if (there !== undefined) return there;
    try {
      const handle = await open(join(this.#directory, name), "r");
      this.#open.set(name, handle);
      return handle;
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
      return undefined;
    }
  }

  async #closeBut(kept: ReadonlySet<string>): Promise<void> {
    for (const [name, handle] of this.#open) {
      if (kept.has(name)) continue;
      this.#open.delete(name);
      await handle.close();
    }
  }
}

/** Names of a pattern whose first group is a number, by that number. */
function numbered(names: readonly string[], pattern: RegExp): string[] {
  const numberOf = (name: string): number => Number(pattern.exec(name)?.[1]);
  return names.filter((name) => pattern.test(name)).sort((a, b) => numberOf(a) - numberOf(b));
}

async function sizeOf(handle: FileHandle): Promise<number> {
  return (await handle.stat()).size;
}

class HeldFiles implements EngineFiles {
  readonly files: readonly EngineFile[];
  readonly totalBytes: number;
  readonly #held: readonly HeldFile[];
  /** Where each begins, of all put end to end. */
  readonly #starts: readonly number[];
  readonly #guard: UseGuard;
  #closing: Promise<void> | undefined;

  constructor(directory: string, held: readonly HeldFile[]) {
    let end = 0;
    this.#starts = held.map(({ size }) => {
      end += size;
      return end - size;
    });
    this.totalBytes = end;
    this.files = held.map(({ name, size }) => ({ name, size }));
    this.#held = held;
    this.#guard = new UseGuard(`what is held of ${directory}`);
  }

  async read(offset: number, bytesMax: number): Promise<Uint8Array> {
    this.#guard.check();
    const length = Math.max(0, Math.min(bytesMax, this.totalBytes - offset));
    // Memory of its own: the array goes to the caller for good.
    const data = Buffer.allocUnsafeSlow(length);
    for (let filled = 0; filled < length; ) {
      filled += await this.#readInto(data.subarray(filled), offset + filled);
    }
    return data;
  }

  close(): Promise<void> {
    this.#guard.close();
    // A close of a handle waits for the reads on it.
    this.#closing ??= closeAll(this.#held);
    return this.#closing;
  }

  /** Reads from the file in which `offset` lies; gives the number of bytes. */
  async #readInto(target: Buffer, offset: number): Promise<number> {
    this.#guard.check();
    const at = this.#starts.findLastIndex((start) => start <= offset);
    const { name, size, content } = this.#held[at] ?? none;
    const position = offset - (this.#starts[at] ?? 0);
    const length = Math.min(target.length, size - position);
    if (content instanceof Uint8Array) {
      target.set(content.subarray(position, position + length));
      return length;
    }
    const { bytesRead } = await content.read(target, 0, length, position);
    if (bytesRead === 0) throw new Error(`${name} ends at ${position} and had ${size} bytes`);
    return bytesRead;
  }
}

const none: HeldFile = { name: "nothing", size: 0, content: new Uint8Array(0) };

async function closeAll(held: readonly HeldFile[]): Promise<void> {
  for (const { content } of held) if (!(content instanceof Uint8Array)) await content.close();
}
