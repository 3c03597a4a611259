const terms = 14;

/**
 * Natural logarithm of a number above 0 and up to 1. Additions, multiplications and divisions are rounded alike by every
 * machine, which the last digit of `Math.log` is not: a seed must mean the same run everywhere.
 */
export function portableLogarithm(share: number): number {
  let mantissa = share;
  let halvings = 0;
  for (; mantissa < 0.5; mantissa *= 2) halvings++;
  // ln m = 2 artanh((m - 1) / (m + 1)); the series ends early because the ratio is a third at most.
  const ratio = (mantissa - 1) / (mantissa + 1);
  const square = ratio * ratio;
  let sum = 0;
  for (let odd = 2 * terms - 1; odd > 0; odd -= 2) sum = sum * square + 1 / odd;
  return 2 * ratio * sum - halvings * Math.LN2;
}
