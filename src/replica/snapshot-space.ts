import type { Logger } from "../lib/logger.ts";
import type { SnapshotReceived } from "./transfer.ts";

/** What {@link SnapshotSpace} looks at. */
export interface SnapshotSpaceOptions {
  /** Bytes left on the disk of the store; `null` when not known, which counts as room. */
  readonly availableBytes: () => number | null;
  /** Bytes that have to be left when all of a snapshot is there. */
  readonly spareBytes: number;
  readonly logger: Logger;
}

/** One byte more for so many of keys and values: what an engine needs for checksums, indexes and its own log. */
const bytesAnOverhead = 10;

/** Says whether the disk has room for the rest of a snapshot, so that a transfer waits for room instead of filling it. */
export class SnapshotSpace {
  readonly #options: SnapshotSpaceOptions;
  #lacking = false;

  constructor(options: SnapshotSpaceOptions) {
    this.#options = options;
  }

  /** Whether the last one that was asked about waits for room. */
  get lacking(): boolean {
    return this.#lacking;
  }

  /** Whether what is not here yet of a snapshot fits; tells the log whenever that changes. */
  hasRoomFor({ from, index, bytes, totalBytes }: Omit<SnapshotReceived, "waitsForSpace">): boolean {
    const { spareBytes, logger } = this.#options;
    const availableBytes = this.#options.availableBytes();
    const missingBytes = Math.max(0, totalBytes - bytes);
    const neededBytes = missingBytes + Math.ceil(missingBytes / bytesAnOverhead) + spareBytes;
    const lacking = availableBytes !== null && availableBytes < neededBytes;
    if (lacking !== this.#lacking) {
      const facts = { from, index, bytes, totalBytes, availableBytes, neededBytes };
      if (lacking) logger.warn(facts, "the disk has no room for a snapshot; it is fetched when there is");
      else logger.info(facts, "the disk has room for the snapshot again");
    }
    this.#lacking = lacking;
    return !lacking;
  }

  /** No snapshot waits any more. */
  forget(): void {
    this.#lacking = false;
  }
}
