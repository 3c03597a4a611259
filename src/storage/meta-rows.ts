import { create } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { DirectoryIdentitySchema, HardStateSchema, PeerDirectorySchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { RaftKvError } from "../lib/errors.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { HardState, Index } from "../raft/entry.ts";
import { unwrapRow, wrapRow } from "./checksummed-row.ts";
import { configurationFromMessage, configurationToMessage } from "./configuration-codec.ts";
import { type LogTail, writeNumber } from "./log-record.ts";
import type { DirectoryIdentity } from "./member-store.ts";
import { messageRow, readMessage, undecodable } from "./message-row.ts";
import { metaKeys, peerKey } from "./row-keys.ts";
import type { RowChange } from "./storage-engine.ts";

/**
 * Versions of everything in a directory that are read: 2 is 1 with a base row, an installation row, a divergence row and further
 * generations. A directory is made with the first, and becomes the second with the first row that the first does not have, so
 * that an earlier version of raftkv opens what it understands and refuses the rest for its format.
 */
export const formatVersions = { oldest: 1, newest: 2 } as const;

/** What a directory says about itself. */
export interface StoredIdentity extends DirectoryIdentity {
  readonly engine: string;
  readonly formatVersion: number;
}

/** How far a store has come; part of every batch, so that what a batch wrote is there whole. */
export interface Progress {
  /** Batches written since the directory was made. */
  readonly writes: number;
  readonly appliedIndex: Index;
  readonly tail: LogTail;
}

/** Row of the identity. */
export function identityRow(identity: StoredIdentity): RowChange {
  const { clusterId, memberId, dataDirectoryId, engine, formatVersion } = identity;
  const bootstrapConfiguration = configurationToMessage(identity.bootstrapConfiguration);
  const message = { formatVersion, clusterId, memberId, dataDirectoryId, engine, bootstrapConfiguration };
  return messageRow(metaKeys.identity, DirectoryIdentitySchema, create(DirectoryIdentitySchema, message));
}

/** Reverses {@link identityRow}. Throws `FORMAT_UNSUPPORTED` before it looks any further, and `STATE_CORRUPT`. */
export function readIdentity(value: Uint8Array): StoredIdentity {
  const message = readMessage(metaKeys.identity, value, DirectoryIdentitySchema, "identity row");
  const { formatVersion } = message;
  const { oldest, newest } = formatVersions;
  if (formatVersion < oldest || formatVersion > newest) {
    throw new RaftKvError(
      "FORMAT_UNSUPPORTED",
      `the directory has format ${formatVersion}; this version reads formats ${oldest} to ${newest}`,
    );
  }
  const { clusterId, memberId, dataDirectoryId, engine, bootstrapConfiguration } = message;
  if (bootstrapConfiguration === undefined) throw undecodable("identity row");
  const configuration = configurationFromMessage(bootstrapConfiguration);
  return { clusterId, memberId, dataDirectoryId, engine, formatVersion, bootstrapConfiguration: configuration };
}

// Writing a row never gives up the thread, so one writer, and the buffer that it has grown, serves all.
const writer = new BinaryWriter();

/** Row of term, vote and commit index: one row, so that neither is ever found without the others. */
export function hardStateRow({ term, votedFor, commitIndex }: HardState): RowChange {
  // Nearly every turn writes one, so it is written without the messages in between; a test holds it against the schema.
  if (term !== 0) writer.tag(1, WireType.Varint).uint64(term);
  if (votedFor !== null) writer.tag(2, WireType.LengthDelimited).string(votedFor);
  if (commitIndex !== 0) writer.tag(3, WireType.Varint).uint64(commitIndex);
  return { type: "put", key: metaKeys.hardState, value: wrapRow(metaKeys.hardState, writer.finish()) };
}

/** Reverses {@link hardStateRow}. Throws `STATE_CORRUPT`. */
export function readHardState(value: Uint8Array): HardState {
  const message = readMessage(metaKeys.hardState, value, HardStateSchema, "hard state row");
  return {
    term: toSafeNumber(message.term, "term of the hard state"),
    votedFor: message.votedFor === "" ? null : message.votedFor,
    commitIndex: toSafeNumber(message.commitIndex, "commit index of the hard state"),
  };
}

const progressBytes = 36;

/** Row of the progress, of fixed layout because every turn writes one: writes, applied, last index, last term, checksum. */
export function progressRow({ writes, appliedIndex, tail }: Progress): RowChange {
  const content = Buffer.allocUnsafe(progressBytes);
  writeNumber(content, 0, writes);
  writeNumber(content, 8, appliedIndex);
  writeNumber(content, 16, tail.index);
  writeNumber(content, 24, tail.term);
  content.writeUInt32BE(tail.checksum, 32);
  return { type: "put", key: metaKeys.progress, value: wrapRow(metaKeys.progress, content) };
}

/** Reverses {@link progressRow}. Throws `STATE_CORRUPT`. */
export function readProgress(value: Uint8Array): Progress {
  const content = unwrapRow(metaKeys.progress, value, "progress row");
  if (content.length !== progressBytes) throw undecodable("progress row");
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const number = (offset: number, what: string): number => toSafeNumber(view.getBigUint64(offset), what);
  return {
    writes: number(0, "number of writes"),
    appliedIndex: number(8, "applied index"),
    tail: { index: number(16, "last index"), term: number(24, "last term"), checksum: view.getUint32(32) },
  };
}

/** Row of the directory under which a member was first met. */
export function peerDirectoryRow(memberId: MemberId, dataDirectoryId: string): RowChange {
  return messageRow(peerKey(memberId), PeerDirectorySchema, create(PeerDirectorySchema, { memberId, dataDirectoryId }));
}

/** Reverses {@link peerDirectoryRow}. Throws `STATE_CORRUPT`. */
export function readPeerDirectory(key: Uint8Array, value: Uint8Array): { memberId: MemberId; dataDirectoryId: string } {
  const { memberId, dataDirectoryId } = readMessage(key, value, PeerDirectorySchema, "peer directory row");
  return { memberId, dataDirectoryId };
}
