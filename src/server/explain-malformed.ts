import { isUtf8 } from "node:buffer";
import { type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Refusal } from "./status.ts";

/**
 * Says what is wrong with bytes that could not be decoded as `schema`: a text field that is not UTF-8 is named, since a
 * client that writes binary keys needs to hear just that; anything else is malformed as a whole.
 */
export function explainMalformed(schema: DescMessage, bytes: Uint8Array, error: unknown): Refusal {
  const field = fieldNotUtf8(schema, bytes);
  if (field === "key") {
    return { reason: "KEY_INVALID", message: "key is not valid UTF-8", metadata: { field } };
  }
  if (field !== undefined) {
    return {
      reason: "MALFORMED_REQUEST",
      message: `${schema.typeName}: field ${field} is not valid UTF-8`,
      metadata: { field, type: schema.typeName },
    };
  }
  const cause = error instanceof Error ? error.message : String(error);
  return {
    reason: "MALFORMED_REQUEST",
    message: `request is not a valid ${schema.typeName}: ${cause.slice(0, 200)}`,
    metadata: { type: schema.typeName },
  };
}

/** The first text field of the outermost message that holds something else than UTF-8. */
function fieldNotUtf8(schema: DescMessage, bytes: Uint8Array): string | undefined {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      const field = schema.fields.find((candidate) => candidate.number === number);
      if (wireType === WireType.LengthDelimited && field?.scalar === ScalarType.STRING) {
        if (!isUtf8(reader.bytes())) return field.name;
      } else {
        reader.skip(wireType, number);
      }
    }
  } catch {
    // Broken before any such field: the caller tells that from the decoder's own error.
  }
  return undefined;
}
