import type { Value } from "../client/entry.ts";
import { RaftKvError } from "../lib/errors.ts";

/** Most bytes read from standard input; servers accept less. */
const valueBytesMax = 64 * 1024 * 1024;

/** Reads a value to its end: text when it is UTF-8, else bytes. Throws `CONFIG_INVALID` beyond 64 MiB. */
export async function readValue(stdin: AsyncIterable<Uint8Array>): Promise<Value> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    size += chunk.byteLength;
    if (size > valueBytesMax) {
      throw new RaftKvError("CONFIG_INVALID", `the value on standard input is longer than ${valueBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes;
  }
}
