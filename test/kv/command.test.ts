import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommandSchema } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { type DecodedCommand, decodeCommand, UnknownCommandError } from "../../src/kv/command.ts";

const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const signed = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const bytes = fc.uint8Array({ maxLength: 300 });
const shared = {
  key: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  ifModRevision: fc.option(unsigned, { nil: undefined }),
  returnPrevious: fc.boolean(),
};
const value = fc.option(fc.record({ data: bytes, text: fc.boolean() }), { nil: undefined });
const id = fc.record({ clientId: fc.string({ unit: "binary" }), sequence: unsigned, firstPendingSequence: unsigned });

const put = fc.record({ ...shared, value }).map((given) => ({ case: "put", value: given }) as const);
const remove = fc.record(shared).map((given) => ({ case: "delete", value: given }) as const);
const increment = fc
  .record({ ...shared, delta: signed })
  .map((given) => ({ case: "increment", value: given }) as const);
const commands = fc.record({ command: fc.oneof(put, remove, increment), id: fc.option(id, { nil: undefined }) });

const encode = ({ id: given, command }: { readonly id?: object | undefined; readonly command: object }) =>
  toBinary(
    CommandSchema,
    create(CommandSchema, { command, ...(given && { id: given }) } as MessageInitShape<typeof CommandSchema>),
  );

/** What the general decoder makes of a command. */
function generallyDecoded(encoded: Uint8Array): DecodedCommand {
  const { command, id: requestId } = fromBinary(CommandSchema, encoded);
  if (command.case === undefined) throw new Error("asks for nothing");
  const { key, ifModRevision, returnPrevious } = command.value;
  if (key.length === 0) throw new Error("has an empty key");
  const head = { key, ifModRevision, returnPrevious };
  const named = requestId && {
    clientId: requestId.clientId,
    sequence: requestId.sequence,
    firstPendingSequence: requestId.firstPendingSequence || 1n,
  };
  if (command.case === "delete") return { operation: { kind: "delete", ...head }, requestId: named };
  if (command.case === "increment") {
    return { operation: { kind: "increment", ...head, delta: command.value.delta }, requestId: named };
  }
  const { data, text } = command.value.value ?? { data: new Uint8Array(0), text: true };
  return { operation: { kind: "put", ...head, value: { data, text } }, requestId: named };
}

describe("a command is decoded", () => {
  test("as the general decoder does it", () => {
    fc.assert(
      fc.property(commands, (given) => {
        const encoded = encode(given);
        expect(decodeCommand(encoded)).toEqual(generallyDecoded(encoded));
      }),
    );
  });

  test("the same or not at all when it is damaged", () => {
    fc.assert(
      fc.property(commands, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (given, at, flips, cuts) => {
        const encoded = encode(given);
        const place = at % encoded.length;
        const damaged = cuts
          ? encoded.subarray(0, place)
          : encoded.map((byte, i) => (i === place ? byte ^ flips : byte));
        let decoded: DecodedCommand;
        try {
          decoded = decodeCommand(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(UnknownCommandError);
          return;
        }
        expect(decoded).toEqual(generallyDecoded(damaged));
      }),
      { numRuns: 2000 },
    );
  });
});
