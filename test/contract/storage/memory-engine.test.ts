import { MemoryRows, openMemoryEngine } from "../../../src/storage/memory-engine.ts";
import { describeStorageEngine } from "../storage-engine.ts";

const disks = new Map<string, MemoryRows>();

describeStorageEngine("memory", {
  open: async (disk) => openMemoryEngine(disks.get(disk)),
  newDisk: async () => {
    const disk = `disk ${disks.size}`;
    disks.set(disk, new MemoryRows());
    return disk;
  },
});
