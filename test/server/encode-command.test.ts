import { create, fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommandSchema } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import {
  DeleteRequestSchema,
  IncrementRequestSchema,
  PutRequestSchema,
} from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { encodeDelete, encodeIncrement, encodePut } from "../../src/server/encode-command.ts";

const unsigned = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });
const condition = fc.record(
  {
    ifModRevision: unsigned,
    returnPrevious: fc.boolean(),
    requestId: fc.record({ clientId: fc.string(), sequence: unsigned, firstPendingSequence: unsigned }),
  },
  { requiredKeys: [] },
);
const key = fc.uint8Array({ maxLength: 200 });
// Beyond 127 bytes and beyond 16 KiB the length prefixes grow.
const data = fc.constantFrom(0, 1, 100, 127, 128, 300, 16_383, 16_384, 100_000).map((size) => Buffer.alloc(size, 0xa5));

interface Condition {
  readonly ifModRevision?: bigint;
  readonly returnPrevious?: boolean;
  readonly requestId?: object;
}

/** What the general decoder makes of an encoded command. */
function decoded(bytes: Uint8Array) {
  const { command, id, $unknown } = fromBinary(CommandSchema, bytes);
  expect($unknown).toBeUndefined();
  return { command, id };
}

function expected(given: Condition, id: unknown) {
  const { ifModRevision, returnPrevious = false } = given;
  if (given.requestId === undefined) expect(id).toBeUndefined();
  else expect(id).toMatchObject(given.requestId);
  return { ifModRevision, returnPrevious };
}

describe("an encoded command is what the general decoder reads", () => {
  test("of a put", () => {
    fc.assert(
      fc.property(key, data, fc.boolean(), condition, (keyBytes, value, text, given) => {
        const payload = text
          ? ({ case: "value", value: "looked at by its case only" } as const)
          : ({ case: "binaryValue", value } as const);
        const request = create(PutRequestSchema, { payload, ...given });
        const { command, id } = decoded(encodePut(request, keyBytes, value));
        expect(command.case).toBe("put");
        const { ifModRevision, returnPrevious } = expected(given, id);
        expect(command.value?.ifModRevision).toBe(ifModRevision);
        expect(command.value).toMatchObject({ key: keyBytes, value: { text }, returnPrevious });
        expect(command.case === "put" && value.equals(command.value.value?.data ?? Buffer.of(1))).toBe(true);
      }),
    );
  });

  test("of a delete", () => {
    fc.assert(
      fc.property(key, condition, (keyBytes, given) => {
        const { command, id } = decoded(encodeDelete(create(DeleteRequestSchema, { ...given }), keyBytes));
        expect(command.case).toBe("delete");
        const { ifModRevision, returnPrevious } = expected(given, id);
        expect(command.value?.ifModRevision).toBe(ifModRevision);
        expect(command.value).toMatchObject({ key: keyBytes, returnPrevious });
      }),
    );
  });

  test("of an increment, whatever its delta", () => {
    const delta = fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { nil: undefined });
    fc.assert(
      fc.property(key, delta, condition, (keyBytes, by, given) => {
        const request = create(IncrementRequestSchema, { ...given });
        if (by !== undefined) request.delta = by;
        const { command, id } = decoded(encodeIncrement(request, keyBytes));
        expect(command.case).toBe("increment");
        const { ifModRevision, returnPrevious } = expected(given, id);
        expect(command.value?.ifModRevision).toBe(ifModRevision);
        expect(command.value).toMatchObject({ key: keyBytes, delta: by ?? 1n, returnPrevious });
      }),
    );
  });
});
