import { afterEach, describe, expect, test } from "vitest";
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import type { PeerTransportHandlers } from "../../src/transport/peer-transport.ts";
import type { TransportLimits } from "../../src/transport/transport-options.ts";
import { identityOf } from "../transport/identity.ts";
import { chunkOf, filesChunk, firstChunk, rowsChunk, rowsOf } from "../transport/snapshot-rows.ts";
import { heartbeat, recordTransport, until } from "../transport/transport-recorder.ts";
import { openTcpProxy } from "./tcp-proxy.ts";

describe("parts of snapshots over gRPC", () => {
  const closing: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** Member a, which reaches b through a proxy only, with its link standing. */
  async function open(
    limits: Partial<TransportLimits>,
    answer: PeerTransportHandlers["onSnapshotChunk"],
    request = firstChunk(),
  ) {
    const start = async (id: string) => {
      const transport = new GrpcPeerTransport({ identity: identityOf(id), listenAddress: "127.0.0.1:0", limits });
      const recorder = recordTransport(undefined, answer);
      await transport.start(recorder);
      closing.unshift(() => transport.close());
      return { transport, recorder };
    };
    const [a, b] = [await start("a"), await start("b")];
    const proxy = await openTcpProxy(Number(b.transport.address.split(":")[1]));
    closing.push(() => proxy.close());
    b.transport.setPeers([{ id: "a", name: "a", peerAddress: a.transport.address }]);
    a.transport.setPeers([{ id: "b", name: "b", peerAddress: proxy.address }]);
    await until(() => a.transport.stats().get("b")?.connected === true);
    return { a, b, proxy, fetch: () => a.transport.fetchSnapshotChunk("b", request) };
  }

  test("come over a connection of their own, that is closed when it is idle and opened again", async () => {
    const { proxy, fetch } = await open({ fetchIdleMs: 50 }, async () => chunkOf([1]));
    expect(proxy.connections).toHaveLength(1);
    await Promise.all([fetch(), fetch()]);
    await fetch();
    expect(proxy.connections).toHaveLength(2);
    await until(() => proxy.connections[1]?.isOpen === false);
    expect(proxy.connections[0]?.isOpen).toBe(true);
    await fetch();
    expect(proxy.connections.map(({ isOpen }) => isOpen)).toEqual([true, false, true]);
  });

  test("that are stuck delay no message, and are given up with their connection", async () => {
    const { a, b, proxy, fetch } = await open({ fetchTimeoutMs: 300 }, async () => chunkOf([1]));
    await fetch();
    proxy.connections[1]?.stall();
    const stuck = expect(fetch()).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => b.recorder.messages.length === 1);
    await stuck;
    expect(rowsOf(await fetch())).toHaveLength(1);
    expect(proxy.connections).toHaveLength(3);
  });

  test("that were damaged on the way are refused, and had again", async () => {
    const large = Array.from({ length: 200 }, (_, number) => number);
    const { proxy, fetch } = await open({}, async () => chunkOf(large));
    await fetch();
    proxy.connections[1]?.damage();
    await expect(fetch()).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    await until(() => proxy.connections[1]?.isOpen === false || proxy.connections.length > 2);
    expect(rowsOf(await fetch())).toHaveLength(200);
  });

  test("over what a message may hold are not sent", async () => {
    const rows = [[Uint8Array.of(1), new Uint8Array(20_000)] as const];
    const { fetch } = await open({ frameBytesMax: 10_000 }, async () => rowsChunk(rows));
    await expect(fetch()).rejects.toThrow(/a chunk of 20\d{3} bytes is larger than the 10000/);
  });

  test("in files may hold as many bytes as may be asked for, and list 100,000 files", async () => {
    const files = Array.from({ length: 100_000 }, (_, i) => ({ name: `${100_000 + i}.ldb`, size: 65 * 1024 * 1024 }));
    const totalBytes = files.length * 65 * 1024 * 1024;
    const answer: PeerTransportHandlers["onSnapshotChunk"] = async (_from, { bytesMax }) =>
      filesChunk(0, bytesMax, { files, data: new Uint8Array(bytesMax), totalBytes });
    const { fetch } = await open({}, answer, firstChunk({ engine: "classic-level", bytesMax: 2 ** 32 - 1 }));
    const { part } = await fetch();
    if (part.type !== "files") expect.fail("rows");
    expect([part.files.length, part.files.at(-1), part.data.length]).toEqual([100_000, files.at(-1), 8 * 1024 * 1024]);
  });

  test("are asked for in pieces of which one more row fits into a message", async () => {
    const { b, fetch } = await open({ frameBytesMax: 10_000 }, async () => chunkOf([1]));
    await fetch();
    expect(b.recorder.fetches[0]?.request.bytesMax).toBe(5000);
  });
});
