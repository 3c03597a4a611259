import { statfs } from "node:fs/promises";
import type { MemberConfig } from "../config/member-config.ts";
import type { Logger } from "../lib/logger.ts";

/** How often the space that is left on the disk is looked at, milliseconds. */
const diskIntervalMs = 2_000;

/** How much space the disk of a member has left, looked at again and again. */
export interface DiskWatcher {
  /** Bytes, as of the last look; `null` while not known. */
  readonly availableBytes: () => number | null;
  /** Calls `note` at each look with whether there is less than `storage-reserve`; what cannot be found out counts as room. */
  readonly tell: (note: (low: boolean) => void) => void;
  readonly close: () => Promise<void>;
}

/** Watches the disk of the data directory until it is closed. */
export function watchDisk({ dataDir, storageReserveBytes }: MemberConfig, logger: Logger): DiskWatcher {
  let availableBytes: number | null = null;
  let low = false;
  let note: (low: boolean) => void = () => {};
  const look = async (): Promise<void> => {
    const { bavail, bsize } = await statfs(dataDir);
    availableBytes = bavail * bsize;
    const isLow = availableBytes < storageReserveBytes;
    if (isLow !== low) logger.warn({ availableBytes, storageReserveBytes }, isLow ? "NO_SPACE" : "room again");
    low = isLow;
    note(low);
  };
  const lookAgain = (): void => {
    look().catch((error: unknown) => {
      availableBytes = null;
      logger.warn({ err: error }, "the space left on the disk is not known");
    });
  };
  const timer = setInterval(lookAgain, diskIntervalMs).unref();
  lookAgain();
  return {
    availableBytes: () => availableBytes,
    tell: (listener) => {
      note = listener;
      note(low);
    },
    close: async () => clearInterval(timer),
  };
}
