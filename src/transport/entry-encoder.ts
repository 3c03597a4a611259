import { WireType } from "@bufbuild/protobuf/wire";
import { AppendEntriesRequestSchema, EntrySchema } from "../gen/raftkv/raft/v1/raft_service_pb.ts";
import { EntryKind } from "../gen/raftkv/storage/v1/storage_pb.ts";
import type { Entry } from "../raft/entry.ts";
import { encodeConfiguration } from "../storage/configuration-codec.ts";
import { tagOf, varintSize, writeVarint } from "./varint.ts";

// Entries are most of what a leader sends, once per follower. Written straight into one array they cost a quarter of what
// the library's writer takes; everything else goes through the library. The decoder is the library's for both.

const { field } = EntrySchema;
const entriesTag = tagOf(AppendEntriesRequestSchema.field.entries.number, WireType.LengthDelimited);
const termTag = tagOf(field.term.number, WireType.Varint);
const kindTag = tagOf(field.kind.number, WireType.Varint);
const timeTag = tagOf(field.timeMs.number, WireType.Varint);
const payloadTag = tagOf(field.payload.number, WireType.LengthDelimited);

/** Most that an entry takes beside its payload: five tags, two lengths, the kind, and two numbers of 53 bits. */
const entryOverheadMax = 5 + 2 * 5 + 1 + 2 * 8;

const wireKind = {
  noop: EntryKind.NOOP,
  command: EntryKind.COMMAND,
  configuration: EntryKind.CONFIGURATION,
} as const;

const noBytes = new Uint8Array(0);

/** The field `entries` of an AppendEntriesRequest, with its tags; to be put among the other fields as it is. */
export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const payloads = entries.map(payloadOf);
  const capacity = payloads.reduce((sum, payload) => sum + payload.length + entryOverheadMax, 0);
  const bytes = new Uint8Array(capacity);
  let at = 0;
  for (const [position, entry] of entries.entries()) {
    const payload = payloads[position] ?? noBytes;
    const bodyBytes =
      5 + varintSize(entry.term) + varintSize(entry.timeMs) + varintSize(payload.length) + payload.length;
    bytes[at++] = entriesTag;
    at = writeVarint(bytes, at, bodyBytes);
    bytes[at++] = termTag;
    at = writeVarint(bytes, at, entry.term);
    bytes[at++] = kindTag;
    bytes[at++] = wireKind[entry.kind];
    bytes[at++] = timeTag;
    at = writeVarint(bytes, at, entry.timeMs);
    bytes[at++] = payloadTag;
    at = writeVarint(bytes, at, payload.length);
    bytes.set(payload, at);
    at += payload.length;
  }
  return bytes.subarray(0, at);
}

function payloadOf(entry: Entry): Uint8Array {
  if (entry.kind === "command") return entry.command;
  return entry.kind === "configuration" ? encodeConfiguration(entry.configuration) : noBytes;
}
