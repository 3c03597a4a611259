import type { KeyValue, ResponseHeader } from "../gen/raftkv/v1/common_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";

/** A value: text, or bytes that are none. */
export type Value = string | Uint8Array;

/** A key, its value and its versions. */
export interface Entry {
  readonly key: string;
  /** In the form in which it was written. */
  readonly value: Value;
  /** Revision that created the key. */
  readonly createRevision: number;
  /** Revision that last changed it. */
  readonly modRevision: number;
  /** Writes since it was created, from 1. */
  readonly version: number;
}

/** Takes a pair off the wire; `null` when there is none. */
export function toEntry(pair: KeyValue | undefined): Entry | null {
  if (pair === undefined) return null;
  return {
    key: pair.key,
    // Decoded bytes are Buffers over the socket's memory, whose slice() is no copy.
    value: pair.payload.case === "binaryValue" ? new Uint8Array(pair.payload.value) : (pair.payload.value ?? ""),
    createRevision: toSafeNumber(pair.createRevision, "create_revision"),
    modRevision: toSafeNumber(pair.modRevision, "mod_revision"),
    version: toSafeNumber(pair.version, "version"),
  };
}

/** Revision of an answer; 0 when the server told none. */
export function toRevision(header: ResponseHeader | undefined): number {
  return toSafeNumber(header?.revision ?? 0n, "revision");
}
