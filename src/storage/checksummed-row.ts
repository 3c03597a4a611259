import { crc32c } from "@node-rs/crc32";
import { damaged } from "./damaged.ts";

const checksumBytes = 4;

/** Value of a row that is no log record: CRC-32C over key and content, big-endian, then the content. */
export function wrapRow(key: Uint8Array, content: Uint8Array): Uint8Array {
  const value = Buffer.allocUnsafe(checksumBytes + content.length);
  value.writeUInt32BE(crc32c(content, crc32c(key)));
  value.set(content, checksumBytes);
  return value;
}

/**
 * Content of a row, a view into `value`. Throws `STATE_CORRUPT`, naming `what`, when key or value are damaged.
 * The key is part of the checksum, so that a row under a wrong key is noticed.
 */
export function unwrapRow(key: Uint8Array, value: Uint8Array, what: string): Uint8Array {
  const content = value.subarray(checksumBytes);
  const stored = value.length < checksumBytes ? undefined : new DataView(value.buffer, value.byteOffset).getUint32(0);
  if (stored === crc32c(content, crc32c(key))) return content;
  const name = `${what} (key ${Buffer.from(key).toString("hex")})`;
  throw damaged("STATE_CORRUPT", `${name} is damaged: its checksum does not match`);
}
