import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openClassicLevelEngine } from "../../../src/storage/classic-level-engine.ts";
import { describeStorageEngine } from "../storage-engine.ts";

const disks: string[] = [];

afterAll(async () => {
  for (const disk of disks) await rm(disk, { recursive: true });
});

describeStorageEngine("classic-level", {
  open: (disk) => openClassicLevelEngine(disk),
  newDisk: async () => {
    const disk = await mkdtemp(join(tmpdir(), "raftkv-engine-"));
    disks.push(disk);
    return disk;
  },
});
