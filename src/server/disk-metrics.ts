import { Gauge, type Registry } from "prom-client";

/** Room on the data volume. */
export interface DiskSpace {
  readonly availableBytes: number;
  readonly capacityBytes: number;
}

/** How long a scrape waits for the disk, milliseconds; the figures of before are shown then. */
const waitMsMax = 1000;

/**
 * Registers the room on the data volume. One question at a time: at a disk that hangs each would hold one of the few threads
 * that also look up names, and every scrape would wait for it.
 */
export function registerDisk(registry: Registry, disk: () => Promise<DiskSpace>): void {
  let asking: Promise<DiskSpace> | undefined;
  const ask = (): Promise<DiskSpace> => {
    asking ??= disk().finally(() => {
      asking = undefined;
    });
    return asking;
  };
  const gauge = (name: string, help: string, read: (space: DiskSpace) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const space = await soon(ask());
        if (space !== undefined) this.set(read(space));
      },
    });
  gauge("raftkv_disk_capacity_bytes", "Size of the data volume.", (space) => space.capacityBytes);
  gauge("raftkv_disk_available_bytes", "Bytes free on the data volume.", (space) => space.availableBytes);
}

/** What an answer says, if it comes in time; its failure, too. */
async function soon<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), waitMsMax);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
