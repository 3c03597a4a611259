import type { MemberId } from "../raft/configuration.ts";
import type { Index } from "../raft/entry.ts";
import type { KeyRange } from "./storage-engine.ts";

// The first byte of a key tells the space, so that each space is one range:
//   01 n                      meta: one row for each of `metaKeys`
//   02 index(8)               log: one record an entry
//   03 generation(4) key      state: the rows of the state machine
//   04 member id              peers: directory under which a member was first met
// Numbers are big-endian, so that byte order is number order.

const space = { meta: 0x01, log: 0x02, state: 0x03, peers: 0x04 } as const;

/** Generation that the state rows stand under; installing a snapshot will fill the next one and flip to it. */
export const stateGeneration = 0;

const statePrefixBytes = 5;
const logKeyBytes = 9;

/** Keys of the rows that every store has exactly once. */
export const metaKeys = {
  identity: Uint8Array.of(space.meta, 1),
  hardState: Uint8Array.of(space.meta, 2),
  progress: Uint8Array.of(space.meta, 3),
} as const;

/** Every meta row. */
export const metaRange: KeyRange = spaceRange(space.meta);

/** Every log record. */
export const logRange: KeyRange = spaceRange(space.log);

/** Every peer directory. */
export const peerRange: KeyRange = spaceRange(space.peers);

/** Every row there can be. */
export const everyRow: KeyRange = { start: new Uint8Array(0), end: new Uint8Array(64).fill(0xff) };

/** Ranges that hold no row of this format. */
export const unusedRanges: readonly KeyRange[] = [
  { start: everyRow.start, end: metaRange.start },
  { start: Uint8Array.of(space.state), end: stateKey(new Uint8Array(0)) },
  { start: stateKey(new Uint8Array(0), stateGeneration + 1), end: peerRange.start },
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

/** Key of a row of the state machine. */
export function stateKey(key: Uint8Array, generation = stateGeneration): Uint8Array {
  const row = Buffer.allocUnsafe(statePrefixBytes + key.length);
  row[0] = space.state;
  row.writeUInt32BE(generation, 1);
  row.set(key, statePrefixBytes);
  return row;
}

/** The state machine's own key, a view into the row's. */
export function stateKeyOf(rowKey: Uint8Array): Uint8Array {
  return rowKey.subarray(statePrefixBytes);
}

/** Key of a peer's directory. */
export function peerKey(memberId: MemberId): Uint8Array {
  return Buffer.concat([Uint8Array.of(space.peers), Buffer.from(memberId, "utf8")]);
}

function spaceRange(first: number): KeyRange {
  return { start: Uint8Array.of(first), end: Uint8Array.of(first + 1) };
}
