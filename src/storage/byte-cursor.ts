/** Reads LevelDB's variable-length numbers and strings from bytes whose checksum has been checked. Throws at their end. */
export class ByteCursor {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  /** A number of seven bits a byte, lowest first. Exact below 2^53, which sizes, levels and file numbers are. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.#offset);
      this.#offset += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** The next `length` bytes, a view. */
  take(length: number): Buffer {
    if (this.#offset + length > this.#bytes.length) throw new RangeError("a length reaches beyond the end");
    const taken = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return taken;
  }

  /** Bytes with their length before them, a view. */
  lengthPrefixed(): Buffer {
    return this.take(this.varint());
  }
}
