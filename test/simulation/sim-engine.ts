import { clearInSteps } from "../../src/storage/clear-in-steps.ts";
import { openMemoryEngine, openMemorySnapshot } from "../../src/storage/memory-engine.ts";
import { RocksdbEngine } from "../../src/storage/rocksdb-engine.ts";
import type { RowReader, StorageEngine } from "../../src/storage/storage-engine.ts";
import { UseGuard } from "../../src/storage/use-guard.ts";
import type { Watermark, WatermarkFile } from "../../src/storage/watermark.ts";
import { land, readDelay } from "./disk-call.ts";
import type { EngineRows } from "./disk-rows.ts";
import type { MemberProcess } from "./member-process.ts";
import type { SimDisk } from "./sim-disk.ts";
import { openSimDatabase } from "./sim-rocksdb.ts";
import type { World } from "./world.ts";

/** Where an engine is open. */
export interface EnginePlace {
  readonly world: World;
  readonly disk: SimDisk;
  readonly process: MemberProcess;
  /** Those in use, or those of files from another member. */
  readonly over: EngineRows;
}

/** An engine over rows of a member's disk, as one process has it open; what is on the disk is the same with either kind. */
export function openSimEngine(place: EnginePlace): StorageEngine {
  return place.disk.hasColumns ? openColumnEngine(place) : openPlainEngine(place);
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
function openColumnEngine({ world, disk, process, over }: EnginePlace): StorageEngine {
  const { reads, writes } = openSimDatabase({
    over,
    misread: misreadBy(disk, process),
    delay: () => readDelay(world, disk, process),
    async land(apply) {
      try {
        await land(world, disk, process, { land: apply });
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

function openPlainEngine({ world, disk, process, over }: EnginePlace): StorageEngine {
  const guard = new UseGuard("simulated engine");
  const check = (): void => guard.check();
  const reader = openMemoryEngine(over.rows);
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
      const writing = land(world, disk, process, { land: () => over.apply(changes) });
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
      const snapshot = openMemorySnapshot(over.rows.snapshot(), check);
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
      const landed = (): void => {
        disk.watermark = watermark;
      };
      await land(world, disk, process, { land: landed });
    },
    async close() {},
  };
}
