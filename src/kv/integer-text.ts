/** Smallest value that Increment reaches. */
export const integerMin = -(2n ** 63n);
/** Largest value that Increment reaches. */
export const integerMax = 2n ** 63n - 1n;

// "-9223372036854775808"; a longer text is refused before it is looked at.
const lengthMax = 20;
const zero = 0x30;
const nine = 0x39;
const minus = 0x2d;

/**
 * The integer that `text` writes in ASCII, or `undefined` when it does not write one of 64 bits the way {@link String} would:
 * a minus or nothing, then digits without leading zeros; no plus, space, sign of zero, or other base.
 */
export function parseInteger(text: Uint8Array): bigint | undefined {
  if (text.length === 0 || text.length > lengthMax) return undefined;
  const digitsFrom = text[0] === minus ? 1 : 0;
  if (digitsFrom === text.length) return undefined;
  let digits = "";
  for (const byte of text.subarray(digitsFrom)) {
    if (byte < zero || byte > nine) return undefined;
    digits += String.fromCharCode(byte);
  }
  if (digits.startsWith("0") && text.length > 1) return undefined;
  const value = digitsFrom === 1 ? -BigInt(digits) : BigInt(digits);
  return value < integerMin || value > integerMax ? undefined : value;
}

/** Writes an integer as {@link parseInteger} reads it. */
export function formatInteger(value: bigint): Uint8Array {
  const text = value.toString();
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
