import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { RaftKvError } from "../lib/errors.ts";
import { unwrapRow, wrapRow } from "./checksummed-row.ts";
import { damaged } from "./damaged.ts";
import type { RowChange } from "./storage-engine.ts";

/** Row whose content is an encoded message, under a checksum. */
export function messageRow<S extends DescMessage>(key: Uint8Array, schema: S, message: MessageShape<S>): RowChange {
  return { type: "put", key, value: wrapRow(key, toBinary(schema, message)) };
}

/** Reverses {@link messageRow}; `what` names the row. Throws `STATE_CORRUPT`. */
export function readMessage<S extends DescMessage>(key: Uint8Array, value: Uint8Array, schema: S, what: string) {
  const content = unwrapRow(key, value, what);
  try {
    return fromBinary(schema, content);
  } catch (cause) {
    throw undecodable(what, cause);
  }
}

/** What a row is answered with whose checksum is right and whose content makes no sense. */
export function undecodable(what: string, cause?: unknown): RaftKvError {
  return damaged("STATE_CORRUPT", `${what} cannot be decoded`, cause);
}

/** What a store is answered with that lacks a row which it must have; `what` names the row. */
export function missingRow(what: string): RaftKvError {
  return damaged("STATE_CORRUPT", `the row of ${what} is missing`);
}
