import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { numberMax } from "../../src/raft/entry.ts";
import { checkRecord, decodeRecord, encodeRecord, type LogTail, recordChecksum } from "../../src/storage/log-record.ts";
import { logKey, logKeyIndex } from "../../src/storage/row-keys.ts";
import { command, configuration, noop, plainEntry } from "./store-fixture.ts";

const before: LogTail = { index: 6, term: 2, checksum: 0xdeadbeef };

/** A record with some of its bytes replaced and the checksum made right again: another writer's, not a damaged one. */
function forged(at: number, ...bytes: number[]): Buffer {
  const record = Buffer.from(encodeRecord(command(7, 3), before.checksum));
  record.set(bytes, at);
  record.writeUInt32BE(crc32c(record.subarray(4)), 0);
  return record;
}

describe("log record", () => {
  test.each([noop(7, 3), command(7, 3), command(7, 3, ""), configuration(7, 2)])("keeps a $kind entry", (entry) => {
    const record = encodeRecord(entry, before.checksum);
    const tail = checkRecord(record, before);
    expect(tail).toEqual({ index: 7, term: entry.term, checksum: recordChecksum(record) });
    expect(plainEntry(decodeRecord(record, tail))).toEqual(plainEntry(entry));
  });

  test("trap 92: numbers are exact up to 2^53 - 1, and nothing beyond is written or read", () => {
    const number = fc.oneof(fc.maxSafeNat(), fc.integer({ min: numberMax - 9, max: numberMax }));
    fc.assert(
      fc.property(number, number, (index, term) => {
        const previous = { index: index - 1, term: 0, checksum: 1 };
        const record = encodeRecord(noop(index, term), 1);
        expect(decodeRecord(record, checkRecord(record, previous))).toEqual(noop(index, term));
        expect(logKeyIndex(logKey(index))).toBe(index);
      }),
    );
    for (const bad of [numberMax + 1, -1, 1.5, Number.NaN]) {
      expect(() => encodeRecord(noop(1, bad), 1)).toThrow(/is no index, term, time or count/);
    }
    expect(() => checkRecord(forged(14, 0x00, 0x20), before)).toThrow(/a number in it is beyond/);
    expect(logKeyIndex(Buffer.from([2, 0, 0x20, 0, 0, 0, 0, 0, 0]))).toBeUndefined();
  });

  test("keys of the log are in the order of their indexes", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        expect(Math.sign(Buffer.compare(logKey(a), logKey(b)))).toBe(Math.sign(a - b));
      }),
    );
  });

  test.each([
    ["an unknown format", forged(4, 9), "format 9 is unknown"],
    ["another index", forged(13, 9), "entry 9 stands in its place"],
    ["another chain", forged(30, 1), "it does not follow the entry that stands before it (6)"],
    ["a term that falls", forged(21, 1), "its term 1 is below the term 2 before it"],
    ["too few bytes", Buffer.alloc(20), "20 bytes are too few"],
  ])("refuses %s", (_what, record, message) => {
    const refused = { code: "LOG_CORRUPT", message: expect.stringContaining(`log entry 7 is damaged: ${message}`) };
    expect(() => checkRecord(record, before)).toThrow(expect.objectContaining(refused));
  });

  test.each([
    ["an unknown kind", forged(5, 9), "kind 9 is unknown"],
    ["a length that is not its own", forged(37, 1), "its length does not match"],
    ["a configuration that is none", forged(5, 3), "its configuration cannot be decoded"],
  ])("does not decode %s", (_what, record, message) => {
    const tail = checkRecord(record, before);
    expect(() => decodeRecord(record, tail)).toThrow(message);
  });
});
