import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { KvService, PutRequestSchema } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { LogFields } from "../../src/lib/logger.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { methodPath } from "../../src/server/service-definition.ts";
import { failureOf, startServer } from "../server/server-harness.ts";

const { put, get } = KvService.method;

/** A bare HTTP/2 connection, for what a proper client refuses to send. */
function connectRaw(address: string): ClientHttp2Session {
  const session = connect(`http://${address}`);
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
}

function startPut(session: ClientHttp2Session): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": methodPath(put),
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  return stream;
}

/** A message with its prefix of five bytes. */
function framed(message: Uint8Array, claimedLength = message.length): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(claimedLength, 1);
  frame.set(message, 5);
  return frame;
}

/** The status that a stream ends with, wherever it stands. */
function statusOfStream(stream: ClientHttp2Stream): Promise<string> {
  return new Promise((resolve) => {
    const settle = (headers: IncomingHttpHeaders) => {
      const code = headers["grpc-status"];
      if (code !== undefined) resolve(code.toString());
    };
    stream.on("response", settle);
    stream.on("trailers", settle);
    stream.on("close", () => resolve(`closed ${stream.rstCode}`));
    stream.resume();
  });
}

describe("bytes that are no message", () => {
  const key = (bytes: Uint8Array) => new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(bytes).finish();
  const nested = Buffer.concat(Array.from({ length: 5000 }, () => Buffer.from([0x7b])));
  const rows = [
    ["a truncated varint", new Uint8Array([0x38, 0xff]), "MALFORMED_REQUEST", /not a valid raftkv.v1.PutRequest/],
    ["a length beyond the end", new Uint8Array([0x0a, 0x7f, 0x61]), "MALFORMED_REQUEST", /PutRequest/],
    ["a wire type that does not exist", new Uint8Array([0x0f, 0x01]), "MALFORMED_REQUEST", /PutRequest/],
    ["groups nested without end", nested, "MALFORMED_REQUEST", /PutRequest/],
    ["noise", Buffer.from("not a protobuf message at all"), "MALFORMED_REQUEST", /PutRequest/],
    ["a key that is not UTF-8", key(new Uint8Array([0xc3, 0x28])), "KEY_INVALID", /key is not valid UTF-8/],
    ["a key with half a surrogate pair", key(new Uint8Array([0xed, 0xa0, 0x80])), "KEY_INVALID", /not valid UTF-8/],
    [
      "a text value that is not UTF-8",
      Buffer.concat([key(Buffer.from("k")), new Uint8Array([0x12, 0x01, 0xff])]),
      "MALFORMED_REQUEST",
      /field value is not valid UTF-8/,
    ],
  ] as const;
  test.each(rows)("%s answers INVALID_ARGUMENT and reaches no log", async (_name, bytes, reason, message) => {
    const { callRaw, replica } = await startServer();
    const error = await failureOf(callRaw(put, bytes));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, reason });
    expect(error.message).toMatch(message);
    expect(replica.proposals).toEqual([]);
  });

  test("an unknown field is no error", async () => {
    const { callRaw, replica } = await startServer();
    await callRaw(put, Buffer.concat([key(Buffer.from("k")), new Uint8Array([0xa0, 0x06, 0x01])]));
    expect(replica.proposals).toHaveLength(1);
  });
});

describe("a message that is too large", () => {
  const request = (size: number) =>
    toBinary(
      PutRequestSchema,
      create(PutRequestSchema, { key: "k", payload: { case: "value", value: "v".repeat(size) } }),
    );

  test("is refused with its size and the limit while it is just over it", async () => {
    const { callRaw } = await startServer();
    const bytes = request(2 * 1024 * 1024);
    const error = await failureOf(callRaw(put, bytes));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, reason: "REQUEST_TOO_LARGE" });
    expect(error.facts).toEqual({ size: String(bytes.length), limit: "2097152" });
  });

  test("is refused without being read when it is far over it", async () => {
    const { callRaw, replica } = await startServer();
    expect((await failureOf(callRaw(put, request(8 * 1024 * 1024)))).code).toBe(status.RESOURCE_EXHAUSTED);
    expect(replica.proposals).toEqual([]);
  });

  test("is refused by its length prefix alone", async () => {
    const { clientAddress } = await startServer();
    const stream = startPut(connectRaw(clientAddress));
    stream.write(framed(Buffer.from("x"), 0xffffffff));
    expect(await statusOfStream(stream)).toBe(String(status.RESOURCE_EXHAUSTED));
  });
});

describe("a client that does not play along", () => {
  test("sends half a body and is cut off in time", async () => {
    const { clientAddress, replica } = await startServer({ limits: { receiveTimeoutMs: 100 } });
    const stream = startPut(connectRaw(clientAddress));
    stream.write(framed(Buffer.from("half"), 1000));
    expect(await statusOfStream(stream)).toBe(String(status.DEADLINE_EXCEEDED));
    expect(replica.proposals).toEqual([]);
  });

  test("cancels before its request is complete, and nothing is proposed", async () => {
    const { clientAddress, replica, call } = await startServer();
    const session = connectRaw(clientAddress);
    const body = framed(toBinary(PutRequestSchema, create(PutRequestSchema, { key: "cancelled" })));
    await once(session, "connect");
    const streams = Array.from({ length: 10 }, () => startPut(session));
    for (const stream of streams) stream.write(body);
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await Promise.all(streams.map((stream) => once(stream, "close")));
    await call(put, { key: "last" });
    expect(replica.proposals).toHaveLength(1);
  });

  test("opens five thousand streams at once: few run together, all of them end", async () => {
    const { clientAddress, replica } = await startServer();
    replica.holding = true;
    const session = connectRaw(clientAddress);
    const body = framed(toBinary(PutRequestSchema, create(PutRequestSchema, { key: "k" })));
    const ends = Array.from({ length: 5000 }, () => {
      const stream = startPut(session);
      stream.end(body);
      return statusOfStream(stream);
    });
    await expect.poll(() => replica.proposals.length).toBe(128);
    replica.holding = false;
    for (const held of replica.proposals.slice(0, 128)) replica.release(held);
    const statuses = await Promise.all(ends);
    expect(new Set(statuses)).toEqual(new Set(["0"]));
    expect(replica.proposals).toHaveLength(5000);
  });
});

describe("more calls than the server takes", () => {
  test("are refused with OVERLOADED, and taken again when others have ended", async () => {
    const { call, replica } = await startServer({ limits: { inFlightCallsMax: 2 } });
    replica.holding = true;
    const first = [call(put, { key: "a" }), call(put, { key: "b" })];
    await expect.poll(() => replica.proposals.length).toBe(2);
    const error = await failureOf(call(get, { key: "c" }));
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: "OVERLOADED" });
    expect(error.facts).toEqual({ pending: "2", limit: "2" });
    expect(error.retryDelayMs).toBeGreaterThan(0);
    for (const held of replica.proposals) replica.release(held);
    await Promise.all(first);
    expect(await call(get, { key: "c" })).toMatchObject({ found: false });
  });
});

describe("more bytes than the server takes", () => {
  const sized = (bytes: number) => ({ key: "k", payload: { case: "value", value: "v".repeat(bytes) } }) as const;

  test("are refused with OVERLOADED, naming what is under way, and taken again when it has ended", async () => {
    const { call, replica } = await startServer({ limits: { inFlightBytesMax: 3000 } });
    replica.holding = true;
    const first = [call(put, sized(1000)), call(put, sized(1000))];
    await expect.poll(() => replica.proposals.length).toBe(2);
    const error = await failureOf(call(put, sized(1000)));
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: "OVERLOADED" });
    const { pending_bytes: pending, size, limit_bytes: limit } = error.facts;
    expect([Number(pending), limit]).toEqual([2 * Number(size), "3000"]);
    expect(error.message).toContain(`of ${pending} bytes`);
    expect(error.message).toContain("the limit is 3000");
    expect(error.retryDelayMs).toBeGreaterThan(0);
    const small = call(put, sized(10));
    await expect.poll(() => replica.proposals.length).toBe(3);
    replica.holding = false;
    for (const held of replica.proposals) replica.release(held);
    await Promise.all([...first, small]);
    expect(await call(put, sized(2000))).toMatchObject({ applied: true });
  });

  test("are taken from a call that is alone, so that none is refused for ever", async () => {
    const { call } = await startServer({ limits: { inFlightBytesMax: 100 } });
    expect(await call(put, sized(1000))).toMatchObject({ applied: true });
  });
});

describe("a handler that throws", () => {
  const secret = "the secret of the handler";

  test.each([
    ["at once", true],
    ["later", false],
  ])("%s tells the client an id, and the log the cause", async (_name, atOnce) => {
    const lines: LogFields[] = [];
    const logger = { ...silentLogger, error: (fields: LogFields) => void lines.push(fields) };
    const { call, replica } = await startServer({ logger });
    const fail = () => {
      throw new Error(secret);
    };
    if (atOnce) replica.propose = fail;
    else replica.readPair = fail;
    const error = await failureOf(atOnce ? call(put, { key: "k" }) : call(get, { key: "k" }));
    expect(error).toMatchObject({ code: status.INTERNAL, reason: "INTERNAL" });
    expect(error.message).not.toContain(secret);
    expect(error.message).toContain(error.facts["error_id"]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ errorId: error.facts["error_id"], error: { message: secret } });
  });
});
