import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FetchSnapshotChunkResponseSchema, SnapshotChunkSchema } from "../../src/gen/raftkv/raft/v1/raft_service_pb.ts";
import { helloTo } from "../../src/transport/introduce-peer.ts";
import {
  decodeSnapshotCall,
  decodeSnapshotChunk,
  encodeSnapshotCall,
  encodeSnapshotChunk,
} from "../../src/transport/snapshot-codec.ts";
import { protocolVersion } from "../../src/transport/transport-options.ts";
import { identityOf } from "./identity.ts";
import { baseOfTests, chunkOf, firstChunk } from "./snapshot-rows.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const rows = fc
  .uniqueArray(fc.tuple(bytes(40), bytes(400)), {
    maxLength: 30,
    selector: ([key]) => Buffer.from(key).toString("hex"),
  })
  .map((drawn) => drawn.sort(([a], [b]) => Buffer.compare(a, b)));

test("a request comes back as it was", () => {
  const hello = helloTo("b", identityOf("a"), protocolVersion);
  const request = fc.record({
    snapshotId: fc.option(fc.string({ minLength: 1 })),
    minIndex: fc.maxSafeNat(),
    after: fc.option(bytes(40)),
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
      const chunk = chunkOf([], { rows: drawn, done: true, totalBytes });
      expect(decodeSnapshotChunk(Uint8Array.from(encodeSnapshotChunk(chunk)), firstChunk())).toEqual(chunk);
    }),
  );
});

test("rows are written as the schema says", () => {
  const given = chunkOf([0, 1, 200]);
  const encoded = Uint8Array.from(encodeSnapshotChunk(given));
  const response = fromBinary(FetchSnapshotChunkResponseSchema, encoded);
  expect(response.checksum).toBe(crc32c(response.chunk));
  const chunk = fromBinary(SnapshotChunkSchema, response.chunk);
  expect([response, chunk, ...chunk.rows].map(({ $unknown }) => $unknown)).toEqual(Array(5).fill(undefined));
  expect(chunk.rows.map(({ key, value }) => [key, value])).toEqual(given.rows.map(([key, value]) => [key, value]));
});

test("one damaged byte anywhere is noticed", () => {
  const encoded = encodeSnapshotChunk(chunkOf([3, 50]));
  for (let at = 0; at < encoded.length; at++) {
    const damaged = Uint8Array.from(encoded);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    expect(() => decodeSnapshotChunk(damaged, firstChunk()), `byte ${at}`).toThrow(
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
])("%s is refused as an answer", (_what, chunk, request, message) => {
  const decode = () => decodeSnapshotChunk(encodeSnapshotChunk(chunk), request);
  expect(decode).toThrow(expect.objectContaining({ code: "PEER_REFUSED" }));
  expect(decode).toThrow(message);
});

test("numbers beyond 2^53 - 1 and missing parts are refused by name", () => {
  const wrap = (init: Parameters<typeof create<typeof SnapshotChunkSchema>>[1]) => {
    const chunk = toBinary(SnapshotChunkSchema, create(SnapshotChunkSchema, init));
    const response = create(FetchSnapshotChunkResponseSchema, { chunk, checksum: crc32c(chunk) });
    return () => decodeSnapshotChunk(toBinary(FetchSnapshotChunkResponseSchema, response), firstChunk());
  };
  expect(wrap({ snapshotId: "s" })).toThrow("SnapshotChunk.configuration is missing");
  for (const [field, name] of [
    ["index", "index"],
    ["term", "term"],
    ["configurationIndex", "configuration_index"],
    ["totalBytes", "total_bytes"],
  ] as const) {
    const decode = wrap({ snapshotId: "s", configuration: {}, done: true, [field]: 2n ** 53n });
    expect(decode).toThrow(expect.objectContaining({ code: "NUMBER_OUT_OF_RANGE" }));
    expect(decode).toThrow(`SnapshotChunk.${name} `);
  }
  const unsaid = Uint8Array.of(0x28, 1);
  expect(() => decodeSnapshotCall(unsaid)).toThrow("FetchSnapshotChunkRequest.hello is missing");
});
