/** How much one kept payload may keep in memory beside itself, bytes. */
const blockBytesMax = 16 * 1024;

/**
 * Copies payloads out of one frame, so that nothing of the frame is kept.
 * Small ones share blocks: an array with memory of its own costs ten times what copying a few hundred bytes does.
 */
export class PayloadCopier {
  #block = new Uint8Array(0);
  #used = 0;
  /** Bytes of the frame that may still be copied: no block needs to be larger. */
  #left: number;

  constructor(frameBytes: number) {
    this.#left = frameBytes;
  }

  /** A copy as a plain array. It may share its buffer with others of the frame. */
  copy(payload: Uint8Array): Uint8Array {
    if (payload.length * 4 > blockBytesMax) return new Uint8Array(payload);
    if (payload.length > this.#block.length - this.#used) {
      this.#block = new Uint8Array(Math.min(blockBytesMax, this.#left));
      this.#used = 0;
    }
    this.#left -= payload.length;
    const copy = this.#block.subarray(this.#used, this.#used + payload.length);
    copy.set(payload);
    this.#used += payload.length;
    return copy;
  }
}
