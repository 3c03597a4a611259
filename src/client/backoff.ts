/** Least and most that a round of failures waits, milliseconds. */
const [delayMsMin, delayMsMax] = [50, 1000];

/**
 * How long to wait after `round` rounds of failures, from 1: doubles, and half of it is random, so that clients which failed
 * together do not come back together. `random` tells a number from 0 to 1.
 */
export function backoffMs(round: number, random: () => number): number {
  const delayMs = Math.min(delayMsMin * 2 ** (round - 1), delayMsMax);
  return delayMs / 2 + (random() * delayMs) / 2;
}
