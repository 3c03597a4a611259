// One byte tells what a row is; what follows it orders rows of a kind.
const summaryPrefix = 0x6d; // m
const pairPrefix = 0x6b; // k
/** Begins the keys of live sessions. */
export const sessionPrefix = 0x73; // s
const answerPrefix = 0x61; // a
const expiryPrefix = 0x78; // x
const endedSessionPrefix = 0x65; // e
const endedPlacePrefix = 0x6f; // o
/** Begins the keys of what ended sessions left behind. */
export const leftoverPrefix = 0x6c; // l

const uint64Bytes = 8;
const twoTo32 = 4_294_967_296;

/** Key of the only summary row. */
export const summaryKey: Uint8Array = Uint8Array.of(summaryPrefix);

/** Under this the expiry index stands, ordered by last use and then by client id. */
export const expiryIndexPrefix: Uint8Array = Uint8Array.of(expiryPrefix);

/** Key of the pair whose key is `key`; pairs are ordered as their keys are, bytewise. */
export function pairKey(key: Uint8Array): Uint8Array {
  return keyOf(pairPrefix, key);
}

/** The key of the pair whose row has this key; `undefined` when it is no pair's. */
export function keyOfPairKey(rowKey: Uint8Array): Uint8Array | undefined {
  return rowKey[0] === pairPrefix ? rowKey.subarray(1) : undefined;
}

/** Key of a live session's row. */
export function sessionKey(clientId: Uint8Array): Uint8Array {
  return keyOf(sessionPrefix, clientId);
}

/** Key of one answer. The session's number stands for its client id, which may open another session one day. */
export function answerKey(sessionNumber: number, sequence: bigint): Uint8Array {
  const key = newKey(1 + 2 * uint64Bytes);
  key[0] = answerPrefix;
  writeUint64(key, 1, sessionNumber);
  writeUint32(key, 1 + uint64Bytes, Number(sequence >> 32n));
  writeUint32(key, 5 + uint64Bytes, Number(sequence & 0xffff_ffffn));
  return key;
}

/** Key of a session in the expiry index. */
export function expiryKey(lastUsedMs: number, clientId: Uint8Array): Uint8Array {
  const key = newKey(1 + uint64Bytes + clientId.length);
  key[0] = expiryPrefix;
  writeUint64(key, 1, lastUsedMs);
  key.set(clientId, 1 + uint64Bytes);
  return key;
}

/** Key in the expiry index that no session last used before `lastUsedMs` reaches. */
export function expiryBound(lastUsedMs: number): Uint8Array {
  const key = newKey(1 + uint64Bytes);
  key[0] = expiryPrefix;
  writeUint64(key, 1, lastUsedMs);
  return key;
}

/** Key beyond every key of the expiry index. */
export const expiryIndexEnd: Uint8Array = Uint8Array.of(expiryPrefix + 1);

/** The client id in a key of the expiry index. */
export function clientIdOfExpiryKey(key: Uint8Array): Uint8Array {
  return key.subarray(1 + uint64Bytes);
}

/** Key of the memory of an ended session. */
export function endedSessionKey(clientId: Uint8Array): Uint8Array {
  return keyOf(endedSessionPrefix, clientId);
}

/** Key of the session that was the `place`th to end. */
export function endedPlaceKey(place: number): Uint8Array {
  return numberedKey(endedPlacePrefix, place);
}

/** Key of the answer rows that the `place`th ended session with any left behind. */
export function leftoverKey(place: number): Uint8Array {
  return numberedKey(leftoverPrefix, place);
}

function keyOf(prefix: number, rest: Uint8Array): Uint8Array {
  const key = newKey(1 + rest.length);
  key[0] = prefix;
  key.set(rest, 1);
  return key;
}

function numberedKey(prefix: number, number: number): Uint8Array {
  const key = newKey(1 + uint64Bytes);
  key[0] = prefix;
  writeUint64(key, 1, number);
  return key;
}

/** From the pool of buffers: a short array has no memory of its own, and native code takes three times as long to make text of it. */
function newKey(length: number): Uint8Array {
  return Buffer.allocUnsafe(length);
}

// Big-endian, so that byte order is the order of the numbers. By hand: a DataView would move a small array off the heap,
// which costs ten times the write.
function writeUint64(target: Uint8Array, at: number, value: number): void {
  writeUint32(target, at, Math.floor(value / twoTo32));
  writeUint32(target, at + 4, value % twoTo32);
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}
