import { type FileHandle, open } from "node:fs/promises";
import { createFile } from "./data-directory.ts";
import { systemCode } from "./system-code.ts";
import { decodeSlot, encodeSlot, lost, slotBytes, type Watermark, type WatermarkFile } from "./watermark.ts";

/** Name of the watermark's file in a data directory. */
export const watermarkFileName = "durable-watermark";

/** Slots lie this far apart, so that no torn sector or page takes both. */
const slotDistance = 4096;

/** A watermark in a file of two slots that are written in turn. */
export function watermarkFileAt(path: string): WatermarkFile {
  return new SlottedWatermarkFile(path);
}

class SlottedWatermarkFile implements WatermarkFile {
  readonly #path: string;
  #handle: FileHandle | undefined;
  /** Number of the newest slot; slots alternate with it. */
  #count = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Watermark | undefined> {
    const handle = await this.#open();
    if (handle === undefined) return undefined;
    const content = Buffer.alloc(slotDistance + slotBytes);
    const { bytesRead } = await handle.read(content, 0, content.length, 0);
    const slots = [0, slotDistance].flatMap((offset) => {
      const slot = decodeSlot(content.subarray(offset, Math.min(bytesRead, offset + slotBytes)));
      return slot === undefined ? [] : [slot];
    });
    const newest = slots.sort((a, b) => b.count - a.count)[0];
    if (newest === undefined) throw lost(`${this.#path} is damaged: neither of its slots can be read`);
    this.#count = newest.count;
    return newest.watermark;
  }

  async write(watermark: Watermark): Promise<void> {
    this.#count += 1;
    const slot = encodeSlot({ count: this.#count, watermark });
    const handle = await this.#open();
    if (handle === undefined) {
      // The second slot is there from the start, so that later writes change no size and need sync no name.
      await createFile(this.#path, Buffer.concat([slot], slotDistance + slotBytes));
      return;
    }
    await handle.write(slot, 0, slotBytes, this.#count % 2 === 1 ? 0 : slotDistance);
    await handle.datasync();
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #open(): Promise<FileHandle | undefined> {
    if (this.#handle !== undefined) return this.#handle;
    try {
      this.#handle = await open(this.#path, "r+");
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
    return this.#handle;
  }
}
