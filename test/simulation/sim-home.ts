import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import { RaftKvError } from "../../src/lib/errors.ts";
import { readBase } from "../../src/storage/base-row.ts";
import { unwrapRow } from "../../src/storage/checksummed-row.ts";
import type { EngineFile, EngineFiles, EngineHome, IncomingFiles } from "../../src/storage/engine-home.ts";
import type { InstallationSource } from "../../src/storage/installation.ts";
import type { MemoryRows } from "../../src/storage/memory-engine.ts";
import { firstGeneration, generationOf, metaKeys, stateKeyOf } from "../../src/storage/row-keys.ts";
import type { Row, StorageEngine } from "../../src/storage/storage-engine.ts";
import { UseGuard } from "../../src/storage/use-guard.ts";
import { decodeRows, encodeRows } from "../storage/memory-home.ts";
import { check } from "./broken-rule.ts";
import type { Situation } from "./coverage.ts";
import { land, never, readDelay } from "./disk-call.ts";
import { hashBytes } from "./hash-bytes.ts";
import type { CrashPlace, MemberProcess } from "./member-process.ts";
import type { SimDisk } from "./sim-disk.ts";
import { openSimEngine } from "./sim-engine.ts";
import type { World } from "./world.ts";

// What becomes of the files of another member's engine on a disk:
//
//   receive -> append -> ... -> open -> (rows are written) -> adopt -> removeFormer
//       |         |              |              |
//       '---------'--------------'--------------'-> remove

/**
 * Damage that files come with: to the bytes of one, which opening them shows, or to a row in them that is read before they are adopted.
 * An engine of which tables may be damaged and open all the same is not simulated (docs/storage.md tells what is done about that).
 */
type FileDamage = "bytes" | "row";

/** Files of another member's engine, as far as a disk has them. */
export interface ArrivedFiles {
  readonly source: InstallationSource;
  readonly files: readonly EngineFile[];
  readonly damage: FileDamage | undefined;
  /** What is here of them, put end to end. */
  content: Buffer;
  /** As an engine that was opened over the files has left them; `undefined` before the first. */
  rows: MemoryRows | undefined;
}

/** Bytes behind each file that tell whether it is damaged. */
const checkBytes = 4;

/** The home of the engine on a member's disk, as one process has it open; `undefined` where there is none. */
export function openSimHome(world: World, disk: SimDisk, process: MemberProcess): EngineHome | undefined {
  if (!disk.hasHome) return undefined;
  disk.former = false;
  settleArrived(world, disk);
  return new SimHome(world, disk, process);
}

/** What a start finds: whole files, not all of which were durable while some were missing. */
function settleArrived(world: World, disk: SimDisk): void {
  const { incoming } = disk;
  if (incoming === undefined) return;
  if (incoming.content.length === totalOf(incoming.files)) {
    if (incoming.rows === undefined) return;
    world.coverage.saw("filesOpenedAnew");
    // What was written to them while they were open may be there or not.
    if (disk.homeDice.chance(0.5)) incoming.rows = undefined;
    return;
  }
  let whole = 0;
  for (const { size } of incoming.files) {
    if (whole + size > incoming.content.length || disk.homeDice.chance(0.2)) break;
    whole += size;
  }
  if (whole > 0) world.coverage.saw("filesResumed");
  incoming.content = incoming.content.subarray(0, whole);
}

class SimHome implements EngineHome {
  readonly engineName: string;
  readonly incoming: IncomingFiles | undefined;
  readonly #world: World;
  readonly #disk: SimDisk;
  readonly #process: MemberProcess;

  constructor(world: World, disk: SimDisk, process: MemberProcess) {
    this.#world = world;
    this.#disk = disk;
    this.#process = process;
    this.engineName = disk.hasColumns ? "columns" : "plain";
    this.incoming = disk.incoming && this.#incomingOver(disk.incoming);
  }

  async files(): Promise<EngineFiles> {
    const disk = this.#disk;
    await readDelay(this.#world, disk, this.#process);
    if (disk.homeDice.chance(this.#world.plan.homes.unreadableShare)) {
      this.#saw("filesUnreadable");
      throw new RaftKvError("DIRECTORY_UNUSABLE", "the files of the simulated engine cannot be opened");
    }
    this.#saw("filesOpened");
    return this.#held(disk.rows.snapshot());
  }

  async receive(source: InstallationSource, files: readonly EngineFile[]): Promise<IncomingFiles> {
    const disk = this.#disk;
    check(disk.incoming === undefined, "files of one snapshot at a time", () => `on the disk of ${disk.number}`);
    const { damagedShare } = this.#world.plan.homes;
    const damage = disk.homeDice.chance(damagedShare) ? disk.homeDice.pick(["bytes", "row"] as const) : undefined;
    const arrived: ArrivedFiles = { source, files, damage, content: Buffer.alloc(0), rows: undefined };
    await this.#step("crashedAtReceive", () => {
      disk.incoming = arrived;
    });
    return this.#incomingOver(arrived);
  }

  async removeFormer(): Promise<void> {
    await this.#step("crashedAtRemoveFormer", () => {
      this.#disk.former = false;
    });
  }

  /** The files as they are now, read at leisure. */
  #held(rows: readonly Row[]): EngineFiles {
    const disk = this.#disk;
    const contents = encodeRows(rows).map(withCheck);
    const all = Buffer.concat(contents);
    const guard = new UseGuard("files of the simulated engine");
    return {
      files: contents.map(({ length: size }, at) => ({ name: `00000${at + 1}.log`, size })),
      totalBytes: all.length,
      read: async (offset, bytesMax) => {
        guard.check();
        await readDelay(this.#world, disk, this.#process);
        guard.check();
        if (disk.homeDice.chance(this.#world.plan.homes.unreadableShare)) {
          this.#saw("filesReadFailed");
          throw new Error("input/output error");
        }
        return Uint8Array.from(all.subarray(offset, offset + bytesMax));
      },
      close: async () => guard.close(),
    };
  }

  #incomingOver(arrived: ArrivedFiles): IncomingFiles {
    const totalBytes = totalOf(arrived.files);
    return {
      source: arrived.source,
      files: arrived.files,
      get bytes() {
        return arrived.content.length;
      },
      totalBytes,
      append: (data) => this.#append(arrived, data, totalBytes),
      open: () => this.#open(arrived),
      adopt: () => this.#adopt(arrived),
      remove: () => this.#remove(arrived),
    };
  }

  async #append(arrived: ArrivedFiles, data: Uint8Array, totalBytes: number): Promise<void> {
    const { content } = arrived;
    check(content.length + data.length <= totalBytes, "no more bytes than there are", () => arrived.source.snapshotId);
    const grow = (bytes: number): void => {
      arrived.content = Buffer.concat([content, data.subarray(0, bytes)]);
    };
    const tear = (): void => {
      this.#saw("filesTorn");
      grow(this.#disk.homeDice.whole(0, data.length));
    };
    await this.#land("crashedAtAppend", () => grow(data.length), tear);
  }

  async #open(arrived: ArrivedFiles): Promise<StorageEngine> {
    const { content, files } = arrived;
    check(content.length === totalOf(files), "files are opened when they are here", () => arrived.source.snapshotId);
    await this.#step("crashedAtOpen", () => {});
    arrived.rows ??= this.#decoded(arrived);
    const over = this.#disk.engineRows(arrived.rows);
    return openSimEngine({ world: this.#world, disk: this.#disk, process: this.#process, over });
  }

  async #adopt(arrived: ArrivedFiles): Promise<void> {
    const { rows } = arrived;
    check(rows !== undefined, "files are adopted after they were opened", () => arrived.source.snapshotId);
    await this.#step("crashedAtAdopt", () => {
      this.#disk.incoming = undefined;
      this.#disk.adopt(rows);
      this.#saw(this.#process.alive ? "filesAdopted" : "filesAdoptedByCrash");
    });
  }

  async #remove(arrived: ArrivedFiles): Promise<void> {
    check(this.#disk.incoming === arrived, "files that are removed are there", () => arrived.source.snapshotId);
    await this.#step("crashedAtRemove", () => {
      this.#disk.incoming = undefined;
      this.#saw("filesGivenUp");
    });
  }

  /** What files hold; the reason where they are damaged in a way that shows at once. */
  #decoded({ content, files, damage }: ArrivedFiles): MemoryRows {
    const bytes = Buffer.from(content);
    const dice = this.#disk.homeDice;
    if (damage === "bytes") flip(bytes, dice.whole(0, bytes.length - 1), dice.whole(0, 7));
    const parts: Buffer[] = [];
    let at = 0;
    for (const { name, size } of files) {
      parts.push(checked(name, bytes.subarray(at, at + size)));
      at += size;
    }
    const rows = decodeRows(Buffer.concat(parts));
    // What is damaged on the sender's disk its engine's own checksums show.
    for (const [key, value] of rows.snapshot()) if (generationOf(key) !== undefined) unwrapRow(key, value, "state row");
    if (damage === "row") this.#damageRow(rows);
    return rows;
  }

  #damageRow(rows: MemoryRows): void {
    const dice = this.#disk.homeDice;
    const machine = createKvStateMachine();
    const prefixes = [machine.indexPrefix, ...machine.survey().prefixes].map(([first]) => first);
    const generation = readGeneration(rows);
    const readFirst = rows.snapshot().filter(([key, value]) => {
      return generationOf(key) === generation && prefixes.includes(stateKeyOf(key)[0]) && value.length > 0;
    });
    if (readFirst.length === 0) return;
    const [key, found] = dice.pick(readFirst);
    const value = Buffer.from(found);
    flip(value, dice.whole(0, value.length - 1), dice.whole(0, 7));
    rows.apply({ type: "put", key, value });
  }

  /** One step of what becomes of the files, with all that may happen on the way. */
  async #step(cut: Situation, landed: () => void): Promise<void> {
    await this.#pass(cut);
    await this.#land(cut, landed);
    await this.#pass(cut);
  }

  #land(cut: Situation, landed: () => void, tear = landed): Promise<void> {
    const write = { land: landed, tear, onCut: () => this.#saw(cut) };
    const landing = land(this.#world, this.#disk, this.#process, write);
    // Of a write that is under way the disk decides what is there.
    this.#process.pass(placeOf(cut));
    return landing;
  }

  /** Goes on if the process does. */
  async #pass(cut: Situation): Promise<void> {
    if (this.#process.pass(placeOf(cut))) return;
    this.#saw(cut);
    await never();
  }

  #saw(situation: Situation): void {
    this.#world.coverage.saw(situation);
  }
}

/** Where a process may be made to crash that is seen to be cut off so. */
function placeOf(cut: Situation): CrashPlace {
  const isAdoption = cut === "crashedAtOpen" || cut === "crashedAtAdopt" || cut === "crashedAtRemoveFormer";
  return isAdoption ? "adoption" : "files";
}

/** Where the state in use stands. */
function readGeneration(rows: MemoryRows): number {
  const base = rows.get(metaKeys.base);
  return base === undefined ? firstGeneration : readBase(base).generation;
}

function totalOf(files: readonly EngineFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

function withCheck(content: Buffer): Buffer {
  const file = Buffer.alloc(content.length + checkBytes);
  file.set(content);
  file.writeInt32BE(hashBytes(content, 1), content.length);
  return file;
}

/** What is in a file, which shows by itself that it is whole. */
function checked(name: string, file: Buffer): Buffer {
  const content = file.subarray(0, -checkBytes);
  if (file.readInt32BE(content.length) === hashBytes(content, 1)) return content;
  throw new RaftKvError("STATE_CORRUPT", `file ${name} of the simulated engine is damaged`);
}

function flip(bytes: Uint8Array, at: number, bit: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
}
