// Loaded before the simulator, to show that a run asks for none of this: clocks that jump, chance, another locale's order,
// and mathematics that is a little off, as another processor's or version's may be.

let draws = 0;
const jumping = (): number => Math.imul(++draws, 0x9e3779b1) >>> 0;

const offBy = 1 + 2 ** -40;
const inexact = [
  "acos",
  "asin",
  "atan",
  "cbrt",
  "cos",
  "cosh",
  "exp",
  "expm1",
  "log",
  "log10",
  "log1p",
  "log2",
] as const;
for (const name of [...inexact, "sin", "sinh", "tan", "tanh"] as const) {
  const exact = Math[name];
  Math[name] = (x) => exact(x) * offBy;
}
const power = Math.pow;
Math.pow = (base, exponent) => power(base, exponent) * offBy;
Math.random = () => jumping() / 2 ** 32;
Date.now = jumping;
performance.now = jumping;
String.prototype.localeCompare = () => (jumping() % 2 === 0 ? 1 : -1);
