import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReadConsistency, ReadOptionsSchema } from "../../src/gen/raftkv/v1/common_pb.ts";
import { defaultServerLimits as limits } from "../../src/server/server-limits.ts";
import { keyRefusal, readPolicy, valueRefusal } from "../../src/server/validate-request.ts";

describe("a key", () => {
  test("is measured in bytes of UTF-8, whatever its characters", () => {
    const small = { ...limits, keyBytesMax: 12 };
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 8 }), (key) => {
        const size = Buffer.byteLength(key);
        expect(keyRefusal(key, small) === undefined).toBe(size >= 1 && size <= 12);
      }),
    );
  });
});

test("a value may have exactly as many bytes as the limit", () => {
  expect(valueRefusal(limits.valueBytesMax, limits)).toBeUndefined();
  expect(valueRefusal(limits.valueBytesMax + 1, limits)).toMatchObject({ reason: "VALUE_TOO_LARGE" });
});

describe("options of a read", () => {
  const stale = ReadConsistency.STALE;

  test("are linearizable when there are none", () => {
    const policy = { linearizable: true, staleMsMax: undefined, minRevision: 0 };
    expect(readPolicy(undefined)).toEqual(policy);
    expect(readPolicy(create(ReadOptionsSchema))).toEqual(policy);
  });

  test.each([
    [1n, 500_000_000, 1500],
    [0n, 0, 0],
    [315_576_000_000n, 0, 315_576_000_000_000],
  ])("take the staleness of %s s and %i ns as %i ms", (seconds, nanos, staleMsMax) => {
    const maxStaleness = { seconds, nanos };
    expect(readPolicy(create(ReadOptionsSchema, { consistency: stale, maxStaleness }))).toMatchObject({ staleMsMax });
  });

  test.each([
    [-1n, 0],
    [0n, -1],
    [0n, 1_000_000_000],
    [315_576_000_001n, 0],
  ])("refuse the staleness of %s s and %i ns", (seconds, nanos) => {
    const maxStaleness = { seconds, nanos };
    const refused = readPolicy(create(ReadOptionsSchema, { consistency: stale, maxStaleness }));
    expect(refused).toMatchObject({ reason: "READ_OPTIONS_INVALID" });
  });
});
