import type { MemberId } from "../raft/configuration.ts";
import type { Index } from "../raft/entry.ts";
import type { KeyRange } from "./storage-engine.ts";

// The first byte of a key tells the space, so that each space is one range:
//   01 n                      meta: one row for each of `metaKeys`
//   02 index(8)               log: one record an entry
//   03 generation(4) key      state: the rows of the state machine; installing a snapshot fills a new generation
//   04 member id              peers: directory under which a member was first met
// Numbers are big-endian, so that byte order is number order.

const space = { meta: 0x01, log: 0x02, state: 0x03, peers: 0x04 } as const;

/** State rows of a directory in which no snapshot was ever installed have this generation. */
export const firstGeneration = 0;

const statePrefixBytes = 5;
/** Largest number of a generation. */
export const generationMax = 2 ** 32 - 1;

const logKeyBytes = 9;

/** Keys of the rows that a store has at most once. */
export const metaKeys = {
  identity: Uint8Array.of(space.meta, 1),
  hardState: Uint8Array.of(space.meta, 2),
  progress: Uint8Array.of(space.meta, 3),
  /** Only once the log was compacted or a snapshot installed. */
  base: Uint8Array.of(space.meta, 4),
  /** Only while a snapshot is being installed. */
  installation: Uint8Array.of(space.meta, 5),
  /** Only once the state was found to differ from that of the majority. */
  divergence: Uint8Array.of(space.meta, 6),
} as const;

/** Every meta row. */
export const metaRange: KeyRange = spaceRange(space.meta);

/** Every log record. */
export const logRange: KeyRange = spaceRange(space.log);

/** Every state row, of all generations. */
export const stateRange: KeyRange = spaceRange(space.state);

/** Every peer directory. */
export const peerRange: KeyRange = spaceRange(space.peers);

/** Every row there can be. */
export const everyRow: KeyRange = { start: new Uint8Array(0), end: new Uint8Array(64).fill(0xff) };

/** Ranges that hold no row of this format. */
export const unusedRanges: readonly KeyRange[] = [
  { start: everyRow.start, end: metaRange.start },
  { start: logRange.start, end: logKey(1) },
  { start: stateRange.start, end: generationRange(firstGeneration).start },
  { start: peerRange.end, end: everyRow.end },
];

/** Key of an entry's record. */
export function logKey(index: Index): Uint8Array {
  const key = Buffer.allocUnsafe(logKeyBytes);
  key[0] = space.log;
  key.writeUInt32BE(Math.floor(index / 2 ** 32), 1);
  key.writeUInt32BE(index % 2 ** 32, 5);
  return key;
}

/** Index that {@link logKey} was made of; `undefined` when the key is no such key. */
export function logKeyIndex(key: Uint8Array): Index | undefined {
  if (key.length !== logKeyBytes || key[0] !== space.log) return undefined;
  // Without a view over the key: this runs once for every entry of the log when a store opens.
  let index = 0;
  for (let at = 1; at < logKeyBytes; at += 1) index = index * 256 + (key[at] ?? 0);
  return Number.isSafeInteger(index) ? index : undefined;
}

/** The records from `first` to `last`, both included. */
export function logRecords(first: Index, last: Index): KeyRange {
  return { start: logKey(first), end: logKey(last + 1) };
}

/** Key of a row of the state machine in a generation. */
export function stateKey(generation: number, key: Uint8Array): Uint8Array {
  const row = Buffer.allocUnsafe(statePrefixBytes + key.length);
  row[0] = space.state;
  row.writeUInt32BE(generation, 1);
  row.set(key, statePrefixBytes);
  return row;
}

/** The least key after another. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

/** The state machine's own key, a view into the row's. */
export function stateKeyOf(rowKey: Uint8Array): Uint8Array {
  return new Uint8Array(rowKey.buffer, rowKey.byteOffset + statePrefixBytes, rowKey.length - statePrefixBytes);
}

/** Generation of a state row; `undefined` when the key is no such row's. */
export function generationOf(rowKey: Uint8Array): number | undefined {
  if (rowKey.length < statePrefixBytes || rowKey[0] !== space.state) return undefined;
  // Without a view over the key, as above.
  let generation = 0;
  for (let at = 1; at < statePrefixBytes; at += 1) generation = generation * 256 + (rowKey[at] ?? 0);
  return generation;
}

/** Every state row of a generation. */
export function generationRange(generation: number): KeyRange {
  const start = stateKey(generation, new Uint8Array(0));
  const next = generation < generationMax ? stateKey(generation + 1, new Uint8Array(0)) : stateRange.end;
  return { start, end: next };
}

/** Key of a peer's directory. */
export function peerKey(memberId: MemberId): Uint8Array {
  return Buffer.concat([Uint8Array.of(space.peers), Buffer.from(memberId, "utf8")]);
}

function spaceRange(first: number): KeyRange {
  return { start: Uint8Array.of(first), end: Uint8Array.of(first + 1) };
}
