/** A source of numbers from 0 (included) to 1 (excluded). */
export type Random = () => number;

/**
 * A seeded generator (Chris Doty-Humphrey's sfc32), so that a run can be replayed from its seed.
 * Not for secrets. Equal seeds give equal sequences on every platform.
 */
export function seededRandom(seed: number): Random {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const next = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return (result >>> 0) / 2 ** 32;
  };
  for (let warmUp = 0; warmUp < 12; warmUp++) next();
  return next;
}

/** A whole number from 0 up to 2^52, for ids that must not repeat across restarts. */
export function randomId(random: Random): number {
  return Math.floor(random() * 2 ** 20) * 2 ** 32 + Math.floor(random() * 2 ** 32);
}
