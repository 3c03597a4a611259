import { crc32c } from "@node-rs/crc32";

// LevelDB's own log, and its manifest, are a run of 32 KiB blocks; a record lies in one fragment or several, each with a
// header of CRC-32C (masked), length and type. A fragment never crosses the end of a block.

const blockBytes = 32_768;
const headerBytes = 7;
const fragmentTypes = { full: 1, first: 2, middle: 3, last: 4 } as const;

interface Fragment {
  /** One of `fragmentTypes`, or 0 for bytes that are no intact fragment. */
  readonly type: number;
  readonly data: Buffer;
}

/**
 * Every record of such a file whose fragments are all intact, in order.
 *
 * LevelDB drops the rest of a block behind a damaged fragment; this looks on behind it, so that damage is told from the
 * torn end of a file: behind a torn end there is no intact record.
 */
export function* readLevelRecords(file: Buffer): Generator<Buffer> {
  let parts: Buffer[] | undefined;
  for (const { type, data } of readFragments(file)) {
    if (type === fragmentTypes.full || type === fragmentTypes.first) parts = [];
    else if (type !== fragmentTypes.middle && type !== fragmentTypes.last) parts = undefined;
    parts?.push(data);
    if (parts === undefined || (type !== fragmentTypes.full && type !== fragmentTypes.last)) continue;
    yield parts.length === 1 ? data : Buffer.concat(parts);
    parts = undefined;
  }
}

function* readFragments(file: Buffer): Generator<Fragment> {
  let damaged = false;
  for (let offset = 0; offset < file.length; ) {
    const blockEnd = Math.min(file.length, offset - (offset % blockBytes) + blockBytes);
    // No header fits into the last six bytes of a block.
    const found = blockEnd - offset < headerBytes ? undefined : fragmentAt(file, offset, blockEnd);
    if (found !== undefined) {
      yield found;
      offset += headerBytes + found.data.length;
      damaged = false;
      continue;
    }
    if (blockEnd - offset >= headerBytes && !damaged) yield { type: 0, data: file.subarray(offset, blockEnd) };
    damaged = blockEnd - offset >= headerBytes;
    offset = damaged ? offset + 1 : blockEnd;
  }
}

function fragmentAt(file: Buffer, offset: number, blockEnd: number): Fragment | undefined {
  const type = file.readUInt8(offset + 6);
  const end = offset + headerBytes + file.readUInt16LE(offset + 4);
  if (type < fragmentTypes.full || type > fragmentTypes.last || end > blockEnd) return undefined;
  if (unmaskChecksum(file.readUInt32LE(offset)) !== crc32c(file.subarray(offset + 6, end))) return undefined;
  return { type, data: file.subarray(offset + headerBytes, end) };
}

/** The CRC-32C behind a checksum of LevelDB's, which stores it rotated and offset: what it protects may hold checksums too. */
export function unmaskChecksum(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
