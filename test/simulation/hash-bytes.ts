/**
 * A 32-bit hash of some bytes (FNV-1a), or of those behind the first `from`, that goes on from `seed`: short ones cost less
 * here than on their way to native code.
 */
export function hashBytes(bytes: Uint8Array, seed: number, from = 0): number {
  let hash = seed ^ 0x811c9dc5;
  for (let at = from; at < bytes.length; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash;
}
