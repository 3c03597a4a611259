import { clearInSteps } from "../../src/storage/clear-in-steps.ts";
import { openMemoryEngine, openMemorySnapshot } from "../../src/storage/memory-engine.ts";
import { RocksdbEngine } from "../../src/storage/rocksdb-engine.ts";
import type { RowReader, StorageEngine } from "../../src/storage/storage-engine.ts";
import { UseGuard } from "../../src/storage/use-guard.ts";
import type { Watermark, WatermarkFile } from "../../src/storage/watermark.ts";
import type { MemberProcess } from "./member-process.ts";
import type { SimDisk } from "./sim-disk.ts";
import { openSimDatabase } from "./sim-rocksdb.ts";
import type { World } from "./world.ts";

/** What never comes: the process that waits for it is dead. */
const never = <Value>(): Promise<Value> => new Promise(() => {});

/** Makes something durable on a disk, with all that may happen on the way; the promise is settled by an event of the process. */
function land(world: World, disk: SimDisk, process: MemberProcess, apply: () => void): Promise<void> {
  world.touch();
  if (!process.pass("beforeWrite")) {
    world.coverage.saw("crashedBeforeWrite");
    return never();
  }
  const fails = disk.takeFailure();
  const write = { land: apply };
  disk.begin(write);
  if (!process.pass("duringWrite")) {
    world.coverage.saw("crashedDuringWrite");
    return never();
  }
  return new Promise((resolve, reject) => {
    world.queue.after(disk.drawWriteMs(), () => {
      if (!disk.end(write)) return;
      const lands = !fails || disk.dice.chance(0.5);
      if (lands) apply();
      world.trace.mix(disk.number, fails ? 1 : 0, lands ? 1 : 0);
      if (!process.pass("afterWrite")) {
        world.coverage.saw("crashedAfterWrite");
        return;
      }
      process.run(() => {
        world.touch();
        if (!fails) {
          resolve();
          return;
        }
        world.coverage.saw("writeFailed");
        process.writeFailed = true;
        reject(new Error("input/output error"));
      });
    });
  });
}

/** Waits as long as a read takes; the promise is settled by an event of the process. */
function readDelay(world: World, disk: SimDisk, process: MemberProcess): Promise<void> {
  world.touch();
  if (!process.pass("read")) {
    world.coverage.saw("crashedAtRead");
    return never();
  }
  return new Promise((resolve) => {
    world.queue.after(disk.drawReadMs(), () =>
      process.run(() => {
        world.touch();
        resolve();
      }),
    );
  });
}

/** The engine over a member's disk, as one process has it open; what is on the disk is the same with either. */
export function openSimEngine(world: World, disk: SimDisk, process: MemberProcess): StorageEngine {
  return disk.hasColumns ? openColumnEngine(world, disk, process) : openPlainEngine(world, disk, process);
}

/** What a read gives of a value: itself, or what the disk makes of it. */
function misreadBy(disk: SimDisk, process: MemberProcess): (value: Uint8Array) => Uint8Array {
  return (value) => {
    const flipped = disk.drawMisread(value);
    if (flipped === undefined) return value;
    process.misread = true;
    return flipped;
  };
}

/** The engine for RocksDB, over what stands for the database. */
function openColumnEngine(world: World, disk: SimDisk, process: MemberProcess): StorageEngine {
  const { reads, writes } = openSimDatabase({
    disk,
    misread: misreadBy(disk, process),
    delay: () => readDelay(world, disk, process),
    async land(apply) {
      try {
        await land(world, disk, process, apply);
      } catch (error) {
        process.silenced = true;
        throw error;
      }
    },
  });
  const engine = new RocksdbEngine(reads, writes, "simulated disk");
  return {
    name: "memory",
    write: (changes) => engine.write(changes),
    get: (key) => engine.get(key),
    iterate(range, options) {
      world.touch();
      return engine.iterate(range, options);
    },
    clear(range) {
      world.coverage.saw("removedAsRange");
      return engine.clear(range);
    },
    snapshot: () => engine.snapshot(),
    close() {
      world.touch();
      return engine.close();
    },
  };
}

function openPlainEngine(world: World, disk: SimDisk, process: MemberProcess): StorageEngine {
  const guard = new UseGuard("simulated engine");
  const check = (): void => guard.check();
  const reader = openMemoryEngine(disk.rows);
  const underWay = new Set<Promise<void>>();
  const misread = misreadBy(disk, process);
  const slow = (rows: RowReader): RowReader["iterate"] =>
    async function* iterate(range, options) {
      world.touch();
      check();
      for await (const page of rows.iterate(range, options)) {
        await readDelay(world, disk, process);
        check();
        yield disk.misreadNext === 0 ? page : page.map(([key, value]) => [key, misread(value)] as const);
      }
      check();
    };
  const engine: StorageEngine = {
    name: "memory",
    async write(changes) {
      check();
      const writing = land(world, disk, process, () => disk.apply(changes));
      underWay.add(writing);
      try {
        await writing;
      } catch (error) {
        process.silenced = true;
        throw guard.fail(error);
      } finally {
        underWay.delete(writing);
      }
    },
    get(key) {
      check();
      const value = reader.get(key);
      return value === undefined ? undefined : misread(value);
    },
    iterate: slow(reader),
    clear: (range) => clearInSteps(engine, range),
    snapshot() {
      check();
      const snapshot = openMemorySnapshot(disk.rows.snapshot(), check);
      return { ...snapshot, iterate: slow(snapshot) };
    },
    async close() {
      guard.close();
      world.touch();
      await Promise.allSettled(underWay);
    },
  };
  return engine;
}

/** The watermark file of a member's disk, as one process has it open. */
export function openSimWatermarkFile(world: World, disk: SimDisk, process: MemberProcess): WatermarkFile {
  return {
    async read() {
      await readDelay(world, disk, process);
      return disk.watermark;
    },
    async write(watermark: Watermark) {
      const before = disk.watermark;
      if (before !== undefined && watermark.tail.index < before.tail.index) world.coverage.saw("watermarkLowered");
      await land(world, disk, process, () => {
        disk.watermark = watermark;
      });
    },
    async close() {},
  };
}
