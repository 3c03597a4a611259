import { expect, test } from "vitest";
import { portableLogarithm } from "./portable-logarithm.ts";

test("it is the natural logarithm, to 14 places, over the whole range of random numbers", () => {
  for (let at = 1; at <= 10_000; at++) {
    const share = at / 10_000;
    expect(portableLogarithm(share)).toBeCloseTo(Math.log(share), 14);
    expect(portableLogarithm(share * 2 ** -32)).toBeCloseTo(Math.log(share * 2 ** -32), 13);
  }
  expect(portableLogarithm(1)).toBe(0);
});
