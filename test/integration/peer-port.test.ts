import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { type LogFields, type Logger, silentLogger } from "../../src/lib/logger.ts";
import { deliverMethod } from "../../src/transport/deliver-method.ts";
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import { encodeMessages } from "../../src/transport/message-encoder.ts";
import type { PeerHello } from "../../src/transport/peer-transport.ts";
import type { TransportLimits } from "../../src/transport/transport-options.ts";
import { identityOf } from "../transport/identity.ts";
import { heartbeat, recordTransport, roundsOf, until } from "../transport/transport-recorder.ts";
import { helloFrame, openRawPeer, type RawPeer } from "./raw-peer.ts";

const frame = (...rounds: number[]) => encodeMessages(rounds.map((round) => heartbeat("a", "b", round)));

describe("peer port", () => {
  const closing: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function listen(
    limits: Partial<TransportLimits> = {},
    onHello?: (hello: PeerHello) => Promise<void>,
    logger: Logger = silentLogger,
  ) {
    const transport = new GrpcPeerTransport({
      identity: identityOf("b"),
      listenAddress: "127.0.0.1:0",
      limits,
      logger,
    });
    const recorder = recordTransport(onHello);
    await transport.start(recorder);
    // Nobody listens there: only what comes in matters.
    transport.setPeers(["a", "c"].map((id) => ({ id, name: id, peerAddress: "127.0.0.1:1" })));
    closing.push(() => transport.close());
    return { transport, recorder, address: transport.address };
  }

  function open(address: string): RawPeer {
    const peer = openRawPeer(address);
    closing.push(() => peer.close());
    return peer;
  }

  test.each([
    ["trap 44: another cluster", { clusterId: "c9c9" }, "CLUSTER_MISMATCH", ["c9c9", "c1c1c1c1c1c1c1c1"]],
    ["trap 44: another member", { toMemberId: "x" }, "MEMBER_MISMATCH", ['"x"', '"b"']],
    ["a stranger", { fromMemberId: "z" }, "UNKNOWN_MEMBER", ['"z"', '"b"']],
    ["another protocol", { protocolVersion: 99 }, "PROTOCOL_MISMATCH", ["99", "1"]],
  ])("refuses %s, naming both sides", async (_what, overrides, reason, named) => {
    const { address, recorder } = await listen();
    const peer = open(address);
    peer.write(helloFrame(overrides));
    const ended = await peer.ended;
    expect(ended).toMatchObject({ code: status.FAILED_PRECONDITION, reason });
    for (const value of named) expect(ended.details).toContain(value);
    // Only the replica knows whether to let a stranger in, so it is asked; it says so by making it a peer.
    expect(recorder.hellos.map(({ memberId }) => memberId)).toEqual(reason === "UNKNOWN_MEMBER" ? ["z"] : []);
  });

  test("trap 45: refuses a member with another data directory, in the handler's words", async () => {
    const { address, recorder } = await listen({}, async ({ dataDirectoryId }) => {
      if (dataDirectoryId !== "directory-a")
        throw new Error(`data directory ${dataDirectoryId} is not that of member a`);
    });
    const peer = open(address);
    peer.write(helloFrame({ dataDirectoryId: "wiped" }));
    expect(await peer.ended).toEqual({
      code: status.FAILED_PRECONDITION,
      reason: "HELLO_REFUSED",
      details: "data directory wiped is not that of member a",
    });
    const known = open(address);
    known.write(helloFrame());
    await known.accepted;
    expect(recorder.messages).toEqual([]);
  });

  test("tells the log once of each peer that it refuses, though several come back in turn", async () => {
    const warnings: LogFields[] = [];
    const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };
    const refuse = async ({ memberId, dataDirectoryId }: PeerHello) => {
      if (dataDirectoryId === "wiped") throw new Error(`member ${memberId} was wiped`);
    };
    const { address } = await listen({}, refuse, logger);
    const comeAs = (fromMemberId: string) => {
      const peer = open(address);
      peer.write(helloFrame({ fromMemberId, dataDirectoryId: "wiped" }));
      return peer.ended;
    };
    for (const member of ["a", "c", "a", "c"]) await comeAs(member);
    expect(warnings).toMatchObject(
      ["a", "c"].map((peer) => ({ peer, reason: "HELLO_REFUSED", error: `member ${peer} was wiped` })),
    );
    const healthy = open(address);
    healthy.write(helloFrame());
    await healthy.accepted;
    await comeAs("a");
    await comeAs("c");
    expect(warnings.map(({ peer }) => peer)).toEqual(["a", "c", "a"]);
  });

  test("refuses a stream that does not begin with a hello", async () => {
    const { address, recorder } = await listen();
    for (const first of [frame(1), new Uint8Array(0), Uint8Array.of(0xff, 0xff, 0xff)]) {
      const peer = open(address);
      peer.write(first);
      expect(await peer.ended).toMatchObject({ code: status.INVALID_ARGUMENT, reason: "HELLO_MISSING" });
    }
    expect(recorder.messages).toEqual([]);
  });

  test("refuses a sender that does not wait for the acknowledgement, and delivers nothing of it", async () => {
    const { address, recorder } = await listen({}, () => new Promise(() => {}));
    const peer = open(address);
    peer.write(helloFrame());
    peer.write(frame(1));
    expect(await peer.ended).toMatchObject({ code: status.INVALID_ARGUMENT, reason: "MALFORMED_FRAME" });
    expect(recorder.messages).toEqual([]);
  });

  test("ends a stream at a malformed frame, delivers what came before, and takes the next stream", async () => {
    const { address, recorder } = await listen();
    const peer = open(address);
    peer.write(helloFrame());
    await peer.accepted;
    peer.write(frame(1, 2));
    peer.write(Uint8Array.of(0x12, 0x7f, 0x01));
    peer.write(frame(3));
    expect(await peer.ended).toMatchObject({ code: status.INVALID_ARGUMENT, reason: "MALFORMED_FRAME" });
    expect(roundsOf(recorder.messages)).toEqual([1, 2]);

    const next = open(address);
    next.write(helloFrame());
    await next.accepted;
    next.write(frame(4));
    await until(() => recorder.messages.length === 3);
    expect(roundsOf(recorder.messages)).toEqual([1, 2, 4]);
  });

  test("ends a stream at a frame over the limit without reading it", async () => {
    const { address, recorder } = await listen({ frameBytesMax: 10_000 });
    const peer = open(address);
    peer.write(helloFrame());
    await peer.accepted;
    peer.write(new Uint8Array(10_001));
    const { code, details } = await peer.ended;
    expect(code).toBe(status.RESOURCE_EXHAUSTED);
    expect(details).toContain("10001 vs 10000");
    expect(recorder.messages).toEqual([]);
  });

  test("confirms a stream that the sender ends", async () => {
    const { address, recorder } = await listen();
    const peer = open(address);
    peer.write(helloFrame());
    await peer.accepted;
    peer.write(frame(1));
    peer.end();
    expect(await peer.ended).toMatchObject({ code: status.OK });
    expect(roundsOf(recorder.messages)).toEqual([1]);
  });

  test("a newer stream of a peer takes the place of the older, of which nothing is delivered any more", async () => {
    const { address, recorder } = await listen();
    const [older, newer] = [open(address), open(address)];
    older.write(helloFrame());
    await older.accepted;
    newer.write(helloFrame());
    await newer.accepted;
    older.write(frame(1));
    newer.write(frame(2));
    expect(await older.ended).toMatchObject({ code: status.ABORTED, reason: "REPLACED" });
    await until(() => recorder.messages.length > 0);
    expect(roundsOf(recorder.messages)).toEqual([2]);
  });

  test("a stream that is refused does not take the place of the accepted one", async () => {
    const { address, recorder } = await listen({}, async ({ dataDirectoryId }) => {
      if (dataDirectoryId === "wiped") throw new Error("another data directory");
    });
    const [older, newer] = [open(address), open(address)];
    older.write(helloFrame());
    await older.accepted;
    newer.write(helloFrame({ dataDirectoryId: "wiped" }));
    await newer.ended;
    older.write(frame(1));
    await until(() => recorder.messages.length === 1);
  });

  test("an older stream that is accepted late yields to the newer", async () => {
    const welcomes: (() => void)[] = [];
    const { address, recorder } = await listen({}, () => new Promise((resolve) => welcomes.push(resolve)));
    const older = open(address);
    older.write(helloFrame());
    await until(() => welcomes.length === 1);
    const newer = open(address);
    newer.write(helloFrame());
    await until(() => welcomes.length === 2);
    welcomes[1]?.();
    await newer.accepted;
    welcomes[0]?.();
    expect(await older.ended).toMatchObject({ code: status.ABORTED, reason: "REPLACED" });
    newer.write(frame(1));
    await until(() => recorder.messages.length === 1);
  });

  test("closes a stream that stays silent, and one whose hello never becomes whole", async () => {
    const { address, recorder } = await listen({ handshakeTimeoutMs: 100 });
    const silent = open(address);
    expect(await silent.ended).toMatchObject({ code: status.DEADLINE_EXCEEDED, reason: "HANDSHAKE_TIMEOUT" });

    const session = connectHttp2(`http://${address}`);
    closing.push(() => session.destroy());
    const half = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: deliverMethod.path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
      [constants.HTTP2_HEADER_TE]: "trailers",
    });
    // A frame of 100 bytes is announced, one comes.
    half.write(Buffer.of(0, 0, 0, 0, 100, 1));
    const [headers] = await once(half, "response");
    expect(headers["grpc-status"]).toBe(String(status.DEADLINE_EXCEEDED));
    expect(recorder.hellos).toEqual([]);
  });

  test("limits the streams that wait to be accepted", async () => {
    const { address } = await listen({ pendingStreamsMax: 2 }, () => new Promise(() => {}));
    const peers = [open(address), open(address), open(address)];
    for (const peer of peers) peer.write(helloFrame());
    expect(await Promise.race(peers.map((peer) => peer.ended))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      reason: "TOO_MANY_STREAMS",
    });
  });

  test("survives bytes that are not HTTP/2", async () => {
    const { transport, recorder, address } = await listen();
    const socket = connectTcp(Number(address.split(":")[1]), "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\n\r\n".repeat(100));
    socket.resume();
    await once(socket, "close");
    const peer = open(transport.address);
    peer.write(helloFrame());
    await peer.accepted;
    peer.write(frame(1));
    await until(() => recorder.messages.length === 1);
  });

  test("an address in use is refused by name", async () => {
    const { address } = await listen();
    const second = new GrpcPeerTransport({ identity: identityOf("c"), listenAddress: address });
    const started = second.start(recordTransport());
    await expect(started).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
    await expect(started).rejects.toThrow(`cannot listen for peers on ${address}`);
    await second.close();
  });
});
