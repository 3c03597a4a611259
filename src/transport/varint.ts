import { WireType } from "@bufbuild/protobuf/wire";
import { assert } from "../lib/assert.ts";

/** Tag of a field, which takes one byte for numbers up to 15. */
export function tagOf(number: number, type: WireType): number {
  assert(number <= 15, () => `field number ${number} needs a tag of more than one byte`);
  return (number << 3) | type;
}

/** Bytes that `value`, an integer from 0 to 2^53 - 1, takes as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/** Writes `value`, an integer from 0 to 2^53 - 1, and returns the offset behind it. */
export function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, () => `${value} is no index, term, time or length`);
  let at = start;
  let rest = value;
  // Bit operations see 32 bits only.
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}

/** What stands before a field of `length` bytes: its tag and the length. */
export function lengthPrefix(number: number, length: number): Uint8Array {
  const prefix = new Uint8Array(1 + varintSize(length));
  prefix[0] = tagOf(number, WireType.LengthDelimited);
  writeVarint(prefix, 1, length);
  return prefix;
}
