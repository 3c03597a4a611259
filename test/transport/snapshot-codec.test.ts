import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  FetchSnapshotChunkRequestSchema,
  FetchSnapshotChunkResponseSchema,
  SnapshotChunkSchema,
} from "../../src/gen/raftkv/raft/v1/raft_service_pb.ts";
import { helloTo } from "../../src/transport/introduce-peer.ts";
import {
  decodeSnapshotCall,
  decodeSnapshotChunk,
  encodeSnapshotCall,
  encodeSnapshotChunk,
} from "../../src/transport/snapshot-codec.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "../../src/transport/snapshot-transfer.ts";
import { protocolVersion } from "../../src/transport/transport-options.ts";
import { identityOf } from "./identity.ts";
import { baseOfTests, chunkOf, filesChunk, filesOfTests, firstChunk, rowsChunk, rowsOf } from "./snapshot-rows.ts";

const noBytes = new Uint8Array(0);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const rows = fc
  .uniqueArray(fc.tuple(bytes(40), bytes(400)), {
    maxLength: 30,
    selector: ([key]) => Buffer.from(key).toString("hex"),
  })
  .map((drawn) => drawn.sort(([a], [b]) => Buffer.compare(a, b)));

const hello = helloTo("b", identityOf("a"), protocolVersion);

/** A request for the beginning of a snapshot, which may come in files. */
function firstFiles(overrides: Partial<SnapshotChunkRequest> = {}): SnapshotChunkRequest {
  return firstChunk({ engine: "classic-level", ...overrides });
}

/** A request for what follows `offset` bytes of files. */
function restOfFiles(offset: number): SnapshotChunkRequest {
  return firstFiles({ snapshotId: "s1", offset });
}

/** A request that was written with the library. */
function requestBytes(init: MessageInitShape<typeof FetchSnapshotChunkRequestSchema>): Uint8Array {
  const message = { hello: { $typeName: "raftkv.raft.v1.Hello", ...hello }, ...init } as const;
  return toBinary(FetchSnapshotChunkRequestSchema, create(FetchSnapshotChunkRequestSchema, message));
}

/** Decodes a chunk that was written with the library. */
function decodeMessage(init: MessageInitShape<typeof SnapshotChunkSchema>, request = firstChunk()): SnapshotChunk {
  const chunk = toBinary(SnapshotChunkSchema, create(SnapshotChunkSchema, init));
  const response = create(FetchSnapshotChunkResponseSchema, { chunk, checksum: crc32c(chunk) });
  return decodeSnapshotChunk(toBinary(FetchSnapshotChunkResponseSchema, response), request);
}

test("a request comes back as it was", () => {
  const request = fc.record({
    snapshotId: fc.option(fc.string({ minLength: 1 })),
    minIndex: fc.maxSafeNat(),
    engine: fc.option(fc.string({ maxLength: 64, unit: "binary-ascii" })),
    after: fc.option(bytes(40)),
    offset: fc.maxSafeNat(),
    bytesMax: fc.nat(),
  });
  fc.assert(
    fc.property(request, (given) => {
      expect(decodeSnapshotCall(encodeSnapshotCall({ hello, request: given }))).toEqual({ hello, request: given });
    }),
  );
});

test("rows come back as they were", () => {
  fc.assert(
    fc.property(rows, fc.maxSafeNat(), (drawn, totalBytes) => {
      const chunk = rowsChunk(drawn, { done: true, totalBytes });
      expect(decodeSnapshotChunk(Uint8Array.from(encodeSnapshotChunk(chunk)), firstChunk())).toEqual(chunk);
    }),
  );
});

test("bytes of files come back as they were, and are not copied", () => {
  const file = fc.record({ name: fc.string({ minLength: 1, unit: "binary" }), size: fc.nat(1000) });
  const request = fc.record({ snapshotId: fc.constantFrom("s1", null), start: fc.nat(), length: fc.nat() });
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 20 }), request, (files, { snapshotId, start, length }) => {
      const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
      const offset = start % (totalBytes + 1);
      const end = Math.min(totalBytes, offset + 1 + (length % 200));
      const listed = snapshotId === null ? files : [];
      const chunk = filesChunk(offset, end, { files: listed, done: end === totalBytes, totalBytes });
      const encoded = Uint8Array.from(encodeSnapshotChunk(chunk));
      const decoded = decodeSnapshotChunk(encoded, firstFiles({ snapshotId, offset }));
      expect(decoded).toEqual(chunk);
      expect(decoded.part.type === "files" && decoded.part.data.buffer === encoded.buffer).toBe(true);
    }),
  );
});

test("files may be as large as numbers go", () => {
  const size = Number.MAX_SAFE_INTEGER;
  const chunk = filesChunk(0, 5, { files: [{ name: "1.ldb", size }], totalBytes: size, done: false });
  expect(decodeSnapshotChunk(Uint8Array.from(encodeSnapshotChunk(chunk)), firstFiles())).toEqual(chunk);
});

test("files are written as the schema says", () => {
  const encoded = encodeSnapshotChunk(filesChunk(0, 300));
  const response = fromBinary(FetchSnapshotChunkResponseSchema, encoded);
  expect(response.checksum).toBe(crc32c(response.chunk));
  const chunk = fromBinary(SnapshotChunkSchema, response.chunk);
  expect([response, chunk, ...chunk.files].map(({ $unknown }) => $unknown)).toEqual(Array(5).fill(undefined));
  expect(chunk.files.map(({ name, size }) => ({ name, size: Number(size) }))).toEqual(filesOfTests);
  expect(chunk.data).toHaveLength(300);
});

test("rows are written as the schema says", () => {
  const given = chunkOf([0, 1, 200]);
  const encoded = Uint8Array.from(encodeSnapshotChunk(given));
  const response = fromBinary(FetchSnapshotChunkResponseSchema, encoded);
  expect(response.checksum).toBe(crc32c(response.chunk));
  const chunk = fromBinary(SnapshotChunkSchema, response.chunk);
  expect([response, chunk, ...chunk.rows].map(({ $unknown }) => $unknown)).toEqual(Array(5).fill(undefined));
  expect(chunk.rows.map(({ key, value }) => [key, value])).toEqual(rowsOf(given).map(([key, value]) => [key, value]));
});

test.each([
  ["rows", chunkOf([3, 50]), firstChunk()],
  ["the beginning of files", filesChunk(0, 100), firstFiles()],
  ["the rest of files", filesChunk(100, 716), restOfFiles(100)],
])("one damaged byte anywhere in %s is noticed", (_what, chunk, request) => {
  const encoded = Uint8Array.from(encodeSnapshotChunk(chunk));
  expect(decodeSnapshotChunk(encoded, request)).toEqual(chunk);
  for (let at = 0; at < encoded.length; at++) {
    const damaged = Uint8Array.from(encoded);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    expect(() => decodeSnapshotChunk(damaged, request), `byte ${at}`).toThrow(
      expect.objectContaining({ code: "PEER_REFUSED" }),
    );
  }
});

test.each([
  ["another snapshot", chunkOf([1]), firstChunk({ snapshotId: "s2" }), /snapshot_id is "s1", asked for "s2"/],
  ["no snapshot id", chunkOf([1], { snapshotId: "" }), firstChunk(), /snapshot_id is missing/],
  ["an older snapshot", chunkOf([1]), firstChunk({ minIndex: 41 }), /index is 40, asked for 41 or later/],
  ["a row that is there already", chunkOf([1, 2]), firstChunk({ after: Uint8Array.of(7, 1) }), /out of order/],
  ["rows that run back", chunkOf([2, 1]), firstChunk(), /out of order/],
  ["a row twice", chunkOf([1, 1]), firstChunk(), /out of order/],
  ["nothing, and no end", chunkOf([]), firstChunk(), /empty before the end/],
  [
    "a configuration of later",
    chunkOf([1], { base: { ...baseOfTests, configuration: { ...baseOfTests.configuration, index: 41 } } }),
    firstChunk(),
    /configuration_index is beyond/,
  ],
  ["bytes of files, asked for rows", filesChunk(0, 100), firstChunk(), /data is set, asked for rows/],
  ["bytes of files after a row", filesChunk(0, 100), firstFiles({ after: Uint8Array.of(7) }), /rows after a key/],
  ["rows after bytes of files", chunkOf([1]), restOfFiles(100), /data is missing, asked for byte 100/],
  ["a beginning without files", filesChunk(0, 100, { files: [] }), firstFiles(), /files is empty at the beginning/],
  ["files again", filesChunk(100, 200, { files: filesOfTests }), restOfFiles(100), /files is set, asked for the rest/],
  ["files again from the start", filesChunk(0, 100), restOfFiles(0), /files is set, asked for the rest/],
  ["a file without a name", filesChunk(0, 100, { files: [{ name: "", size: 716 }] }), firstFiles(), /name is empty/],
  ["another total", filesChunk(0, 100, { totalBytes: 717 }), firstFiles(), /total_bytes is 717, its files come to 716/],
  [
    "files beyond all numbers",
    filesChunk(0, 100, { files: Array(3).fill({ name: "1.ldb", size: Number.MAX_SAFE_INTEGER }) }),
    firstFiles(),
    /total_bytes is 716, its files come to 2702\d+/,
  ],
  ["more than was asked for", filesChunk(0, 100), firstFiles({ bytesMax: 99 }), /data has 100 bytes, asked for 99/],
  ["no bytes, and no end", filesChunk(100, 100), restOfFiles(100), /data is empty before the end/],
  ["bytes behind the end", filesChunk(700, 717), restOfFiles(700), /data ends at byte 717 of 716/],
  ["bytes from behind the end", filesChunk(716, 716), restOfFiles(717), /data ends at byte 717 of 716/],
  ["an end too early", filesChunk(700, 715, { done: true }), restOfFiles(700), /done is true, .* byte 715 of 716/],
  ["an end that is not told", filesChunk(700, 716, { done: false }), restOfFiles(700), /done is false, .* 716 of 716/],
])("%s is refused as an answer", (_what, chunk, request, message) => {
  const decode = () => decodeSnapshotChunk(encodeSnapshotChunk(chunk), request);
  expect(decode).toThrow(expect.objectContaining({ code: "PEER_REFUSED" }));
  expect(decode).toThrow(message);
});

test("numbers beyond 2^53 - 1 and missing parts are refused by name", () => {
  expect(() => decodeMessage({ snapshotId: "s" })).toThrow("SnapshotChunk.configuration is missing");
  for (const [name, init] of [
    ["index", { index: 2n ** 53n }],
    ["term", { term: 2n ** 53n }],
    ["configuration_index", { configurationIndex: 2n ** 53n }],
    ["total_bytes", { totalBytes: 2n ** 53n }],
    ["files.size", { files: [{ name: "1.ldb", size: 2n ** 53n }], data: noBytes }],
  ] satisfies [string, MessageInitShape<typeof SnapshotChunkSchema>][]) {
    const decode = () => decodeMessage({ snapshotId: "s", configuration: {}, done: true, ...init }, firstFiles());
    expect(decode).toThrow(expect.objectContaining({ code: "NUMBER_OUT_OF_RANGE" }));
    expect(decode).toThrow(`SnapshotChunk.${name} `);
  }
  const unsaid = Uint8Array.of(0x28, 1);
  expect(() => decodeSnapshotCall(unsaid)).toThrow("FetchSnapshotChunkRequest.hello is missing");
  for (const [name, init] of [
    ["min_index", { minIndex: 2n ** 53n }],
    ["offset", { offset: 2n ** 53n }],
  ] as const) {
    const decode = () => decodeSnapshotCall(requestBytes(init));
    expect(decode).toThrow(expect.objectContaining({ code: "NUMBER_OUT_OF_RANGE" }));
    expect(decode).toThrow(`FetchSnapshotChunkRequest.${name} `);
  }
});

test("an answer of rows and bytes of files, or of files without bytes, is refused", () => {
  const message = { snapshotId: "s", index: 40n, configuration: {}, done: true };
  const files = [{ name: "1.ldb", size: 1n }];
  const both = () => decodeMessage({ ...message, rows: [{ key: Uint8Array.of(1) }], data: noBytes }, firstFiles());
  expect(both).toThrow("SnapshotChunk.rows and data are both set");
  expect(both).toThrow(expect.objectContaining({ code: "PEER_REFUSED" }));
  const listed = () => decodeMessage({ ...message, files }, firstFiles());
  expect(listed).toThrow("SnapshotChunk.files is set without data");
  expect(listed).toThrow(expect.objectContaining({ code: "PEER_REFUSED" }));
});

test("the name of an engine has a limit in bytes", () => {
  expect(decodeSnapshotCall(requestBytes({ engine: "é".repeat(32) })).request.engine).toBe("é".repeat(32));
  const decode = () => decodeSnapshotCall(requestBytes({ engine: "é".repeat(33) }));
  expect(decode).toThrow("FetchSnapshotChunkRequest.engine is longer than 64 bytes");
  expect(decode).toThrow(expect.objectContaining({ code: "PEER_REFUSED" }));
});

describe("a version that knows no files", () => {
  test("asks for rows", () => {
    const { request } = decodeSnapshotCall(requestBytes({ minIndex: 1n, bytesMax: 1 << 20 }));
    expect(request).toEqual(firstChunk());
  });

  test("answers with rows whatever is allowed", () => {
    const rows = [{ key: Uint8Array.of(1), value: Uint8Array.of(2) }];
    const chunk = decodeMessage({ snapshotId: "s", index: 40n, configuration: {}, rows }, firstFiles());
    expect(chunk.part).toEqual({ type: "rows", rows: [[Uint8Array.of(1), Uint8Array.of(2)]] });
  });
});
