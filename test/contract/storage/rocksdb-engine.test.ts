import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openRocksdbEngine } from "../../../src/storage/open-rocksdb-engine.ts";
import { describeStorageEngine } from "../storage-engine.ts";

const disks: string[] = [];

afterAll(async () => {
  for (const disk of disks) await rm(disk, { recursive: true });
});

describeStorageEngine("rocksdb", {
  open: (disk) => openRocksdbEngine(disk),
  newDisk: async () => {
    const disk = await mkdtemp(join(tmpdir(), "raftkv-engine-"));
    disks.push(disk);
    return disk;
  },
});
