/**
 * Fingerprint of 64 bits, built up of words and byte strings. Two lanes of the mixing that MurmurHash3 uses for 32 bits, with
 * different constants, because one multiplication of 64 bits costs a bigint. It tells a client's mistakes apart, not
 * an attacker's inputs: who makes two requests collide cheats only its own session.
 */
export class Fingerprint {
  #high = 0x9747_b28c;
  #low = 0x3c6e_f372;
  #words = 0;

  /** Takes in the low 32 bits of `value`. */
  word(value: number): this {
    let high = Math.imul(value, 0xcc9e_2d51);
    high = Math.imul((high << 15) | (high >>> 17), 0x1b87_3593) ^ this.#high;
    this.#high = (Math.imul((high << 13) | (high >>> 19), 5) + 0xe654_6b64) | 0;
    let low = Math.imul(value, 0x38b3_4ae5);
    low = Math.imul((low << 17) | (low >>> 15), 0xa1e3_8b93) ^ this.#low;
    this.#low = (Math.imul((low << 15) | (low >>> 17), 5) + 0x96cd_1c35) | 0;
    this.#words++;
    return this;
  }

  /** Takes in a 64-bit number. */
  long(value: bigint): this {
    return this.word(Number(value & 0xffff_ffffn)).word(Number((value >> 32n) & 0xffff_ffffn));
  }

  /** Takes in a byte string and its length, so that neighbours cannot trade bytes unnoticed. */
  bytes(value: Uint8Array): this {
    this.word(value.length);
    const whole = value.length & ~3;
    for (let i = 0; i < whole; i += 4) this.word(littleEndianWord(value, i));
    if (whole < value.length) this.word(littleEndianWord(value, whole));
    return this;
  }

  /** The fingerprint of all taken in. */
  digest(): bigint {
    const high = finish(this.#high ^ this.#words);
    const low = finish(this.#low ^ this.#words);
    return (BigInt(high) << 32n) | BigInt(low);
  }
}

function littleEndianWord(value: Uint8Array, at: number): number {
  return (value[at] ?? 0) | ((value[at + 1] ?? 0) << 8) | ((value[at + 2] ?? 0) << 16) | ((value[at + 3] ?? 0) << 24);
}

// Lets every bit of the lane reach every other.
function finish(lane: number): number {
  let mixed = lane;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
