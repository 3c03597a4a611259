import { RaftKvError } from "./errors.ts";

const safeMax = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Turns a 64-bit integer of the wire or the disk into a number.
 * Throws `NUMBER_OUT_OF_RANGE`, naming `what`, beyond 2^53 - 1: a larger index or term is damage or an attack.
 */
export function toSafeNumber(value: bigint, what: string): number {
  if (value < 0n || value > safeMax) {
    throw new RaftKvError("NUMBER_OUT_OF_RANGE", `${what} is ${value}; it must lie between 0 and ${safeMax}`);
  }
  return Number(value);
}
