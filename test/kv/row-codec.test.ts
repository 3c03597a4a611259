import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AnswerRowSchema,
  CommandFailureReason,
  CommandResultSchema,
  PairRowSchema,
  SessionRowSchema,
  StateSummarySchema,
} from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { decodePairRow, encodePairRow } from "../../src/kv/pair.ts";
import { encodeResult, type OperationResult } from "../../src/kv/result.ts";
import { decodeAnswerRow, decodeSessionRow, encodeAnswerRow, encodeSessionRow } from "../../src/kv/session.ts";
import { decodeSummary, emptySummary, encodeSummary } from "../../src/kv/summary.ts";

// Rows are written by hand for speed. What is written must be what the generated schema writes, byte for byte.

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ maxLength: 300 });
const value = fc.record({ data: bytes, text: fc.boolean() });
const storedPair = fc.record({ value, createRevision: uint64, modRevision: uint64, version: uint64 });
const keyedPair = fc.record({
  key: bytes,
  value,
  createRevision: uint64,
  modRevision: uint64,
  version: uint64,
});
const previous = fc.option(keyedPair, { nil: undefined });

describe("rows written by hand", () => {
  test("of pairs are what the schema says", () => {
    fc.assert(
      fc.property(storedPair, (pair) => {
        const row = encodePairRow(pair);
        expect(row).toEqual(toBinary(PairRowSchema, create(PairRowSchema, pair)));
        expect(decodePairRow(row)).toEqual(pair);
      }),
    );
  });

  test("of the summary are what the schema says", () => {
    const safe = fc.maxSafeNat();
    const names = Object.keys(emptySummary).filter((name) => name !== "revision");
    const counters = fc.record(Object.fromEntries(names.map((name) => [name, safe])));
    fc.assert(
      fc.property(counters, uint64, (numbers, revision) => {
        const summary = { ...emptySummary, ...numbers, revision };
        const row = encodeSummary(summary);
        const big = Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, BigInt(number)]));
        expect(row).toEqual(toBinary(StateSummarySchema, create(StateSummarySchema, { ...big, revision })));
        expect(decodeSummary(row)).toEqual(summary);
      }),
    );
  });

  test("of sessions and answers are what the schema says", () => {
    const runs = fc.array(fc.record({ first: uint64, count: fc.integer({ min: 1, max: 5000 }) }), { maxLength: 5 });
    const large = fc.array(fc.record({ sequence: uint64, bytes: fc.nat() }), { maxLength: 5 });
    const numbers = [fc.maxSafeNat(), fc.maxSafeNat()] as const;
    fc.assert(
      fc.property(
        ...numbers,
        uint64,
        runs,
        large,
        (number, lastUsedMs, firstPendingSequence, answers, largeAnswers) => {
          const session = { number, lastUsedMs, firstPendingSequence, answers, largeAnswers };
          const row = encodeSessionRow(session);
          const message = create(SessionRowSchema, {
            number: BigInt(number),
            firstPendingSequence,
            lastUsedMs: BigInt(lastUsedMs),
            runFirstSequence: answers.map((run) => run.first),
            runAnswers: answers.map((run) => run.count),
            largeSequence: largeAnswers.map((answer) => answer.sequence),
            largeBytes: largeAnswers.map((answer) => answer.bytes),
          });
          expect(row).toEqual(toBinary(SessionRowSchema, message));
          expect(decodeSessionRow(row)).toEqual(session);
        },
      ),
    );
    fc.assert(
      fc.property(uint64, fc.uint8Array({ minLength: 1 }), (fingerprint, result) => {
        const row = encodeAnswerRow({ fingerprint, result });
        expect(decodeAnswerRow(row)).toMatchObject({ fingerprint, result });
        expect(fromBinary(AnswerRowSchema, row)).toMatchObject({ fingerprint, result });
      }),
    );
  });
});

describe("results written by hand", () => {
  const applied = fc.boolean();
  const results: fc.Arbitrary<OperationResult> = fc.oneof(
    fc.record({ kind: fc.constant("put" as const), applied, previous }),
    fc.record({ kind: fc.constant("delete" as const), applied, deleted: fc.boolean(), previous }),
    fc.record({
      kind: fc.constant("increment" as const),
      applied,
      value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      previous,
    }),
    fc.record({
      kind: fc.constant("failure" as const),
      reason: fc.constantFrom(CommandFailureReason.NOT_AN_INTEGER, CommandFailureReason.TOO_MANY_SESSIONS),
      message: fc.string({ unit: "binary", minLength: 1 }),
    }),
  );

  test("are what the schema says", () => {
    fc.assert(
      fc.property(uint64, results, (revision, result) => {
        const { kind, ...fields } = result;
        const present = Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined));
        const message = create(CommandResultSchema, { revision, result: { case: kind, value: present } as never });
        expect(encodeResult(revision, result)).toEqual(toBinary(CommandResultSchema, message));
      }),
    );
  });
});

test("the row of a pair with a field of a later version is refused", () => {
  expect(() => decodePairRow(Uint8Array.of(0x40, 1))).toThrow(expect.objectContaining({ name: "BrokenStateError" }));
  expect(() => decodePairRow(Uint8Array.of(0x0a, 2, 0x40, 1))).toThrow("unknown field 8");
});
