const shownBytesMax = 64;

/**
 * A key for a message: quoted, every byte beyond printable ASCII as `\xNN`, cut after 64 bytes. Results are part of the
 * replicated state, so it must not depend on any runtime's idea of text.
 */
export function printableKey(key: Uint8Array): string {
  let text = "";
  for (const byte of key.subarray(0, shownBytesMax)) text += printableByte(byte);
  return key.length > shownBytesMax ? `"${text}"... (${key.length} bytes)` : `"${text}"`;
}

function printableByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === '"' || character === "\\") return `\\${character}`;
  return byte >= 0x20 && byte < 0x7f ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
}
