import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PayloadCopier } from "../../src/transport/payload-copier.ts";

describe("payload copier", () => {
  test("copies are equal, do not overlap, and share no memory with the frame", () => {
    const sizes = fc.array(fc.nat({ max: 9_000 }), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, (drawn) => {
        const given = drawn.map((size, position) => new Uint8Array(size).fill(position + 1));
        const copier = new PayloadCopier(drawn.reduce((sum, size) => sum + size, 0));
        const copies = given.map((payload) => copier.copy(payload));
        for (const payload of given) payload.fill(0);
        expect(copies.map((copy) => copy.length)).toEqual(drawn);
        expect(copies.every((copy, position) => copy.every((byte) => byte === position + 1))).toBe(true);
      }),
    );
  });

  test("a kept payload holds on to 16 KiB at most beside itself, and small frames to less", () => {
    const copier = new PayloadCopier(1_000_000);
    expect(copier.copy(new Uint8Array(100)).buffer.byteLength).toBe(16 * 1024);
    expect(copier.copy(new Uint8Array(100_000)).buffer.byteLength).toBe(100_000);
    expect(new PayloadCopier(300).copy(new Uint8Array(256)).buffer.byteLength).toBe(300);
  });

  test("a Buffer gives a plain array", () => {
    expect(new PayloadCopier(3).copy(Buffer.from("abc")).constructor).toBe(Uint8Array);
  });
});
