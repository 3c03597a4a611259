import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeClientId } from "../../src/kv/client-id.ts";
import { Fingerprint } from "../../src/kv/fingerprint.ts";
import { formatInteger, integerMax, integerMin, parseInteger } from "../../src/kv/integer-text.ts";
import {
  answerKey,
  clientIdOfExpiryKey,
  expiryBound,
  expiryIndexEnd,
  expiryKey,
  pairKey,
} from "../../src/kv/row-keys.ts";
import { textOf, utf8 } from "./driver.ts";

const compare = (a: Uint8Array, b: Uint8Array): number => Math.sign(Buffer.compare(a, b));

test("pairs are ordered by the bytes of their keys, where JavaScript would order them otherwise", () => {
  const keys = ["z", "\u{fffd}", "a", "\u{1f600}", "aa", "é"];
  const byRow = keys.toSorted((a, b) => compare(pairKey(utf8(a)), pairKey(utf8(b))));
  expect(byRow).toEqual(["a", "aa", "z", "é", "\u{fffd}", "\u{1f600}"]);
  expect(keys.toSorted()).not.toEqual(byRow);
});

test("answers are ordered by session and sequence over all 64 bits", () => {
  const number = fc.maxSafeNat();
  const sequence = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  fc.assert(
    fc.property(number, sequence, number, sequence, (n1, s1, n2, s2) => {
      const expected = Math.sign(n1 - n2) || (s1 < s2 ? -1 : s1 > s2 ? 1 : 0);
      expect(compare(answerKey(n1, s1), answerKey(n2, s2))).toBe(expected);
    }),
  );
});

test("the expiry index is ordered by last use, within its bounds, and gives the client id back", () => {
  const time = fc.maxSafeNat();
  fc.assert(
    fc.property(time, time, fc.string({ unit: "grapheme" }), (a, b, clientId) => {
      const key = expiryKey(a, utf8(clientId));
      expect(compare(key, expiryBound(b)) < 0).toBe(a < b);
      expect(compare(key, expiryIndexEnd)).toBe(-1);
      expect(textOf(clientIdOfExpiryKey(key))).toBe(clientId);
    }),
  );
});

test("client ids are encoded as UTF-8, ASCII or not", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (clientId) => {
      expect(encodeClientId(clientId)).toEqual(utf8(clientId));
    }),
  );
});

test("integers read as they are written, and nothing else reads as one", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: integerMin, max: integerMax }), (value) => {
      expect(parseInteger(formatInteger(value))).toBe(value);
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[-+ 0-9a-fx]{0,22}$/), (text) => {
      const value = parseInteger(utf8(text));
      if (value !== undefined) expect(value.toString()).toBe(text);
    }),
  );
});

test("fingerprints tell apart what differs in any one byte, length or order", () => {
  const of = (...parts: Uint8Array[]): bigint => {
    const fingerprint = new Fingerprint();
    for (const part of parts) fingerprint.bytes(part);
    return fingerprint.digest();
  };
  const bytes = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(of(a, b)).toBe(of(a, b));
      if (compare(a, b) !== 0) {
        expect(of(a)).not.toBe(of(b));
        expect(of(a, b)).not.toBe(of(b, a));
      }
    }),
  );
  const seen = new Set(Array.from({ length: 50_000 }, (_, at) => of(utf8(`${at}`)) & 0xffff_ffffn));
  expect(seen.size).toBeGreaterThan(50_000 - 10);
});
