import { type ChildProcess, spawn } from "node:child_process";
import dns from "node:dns";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Metadata, Server, ServerCredentials, type ServerReadableStream } from "@grpc/grpc-js";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { LogFields, Logger } from "../../src/lib/logger.ts";
import { deliverMethod } from "../../src/transport/deliver-method.ts";
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import type { PeerHello, PeerMessage } from "../../src/transport/peer-transport.ts";
import type { GrpcPeerTransportOptions } from "../../src/transport/transport-options.ts";
import { identityOf } from "../transport/identity.ts";
import { heartbeat, recordTransport, roundsOf, until } from "../transport/transport-recorder.ts";

function bigAppend(to: string, bytes: number): PeerMessage {
  const entry = { kind: "command", index: 1, term: 1, timeMs: 0, command: new Uint8Array(bytes) } as const;
  return {
    type: "AppendEntriesRequest",
    from: "a",
    to,
    term: 1,
    prevLogIndex: 0,
    prevLogTerm: 0,
    entries: [entry],
    commitIndex: 0,
  };
}

const peerAt = (id: string, peerAddress: string) => ({ id, name: id, peerAddress });

describe("peer link", () => {
  const closing: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    vi.restoreAllMocks();
  });

  async function start(
    id: string,
    options: Partial<GrpcPeerTransportOptions> = {},
    onHello?: (hello: PeerHello) => Promise<void>,
  ) {
    const transport = new GrpcPeerTransport({ identity: identityOf(id), listenAddress: "127.0.0.1:0", ...options });
    const recorder = recordTransport(onHello);
    await transport.start(recorder);
    closing.push(() => transport.close());
    const isConnected = (to: string) => transport.stats().get(to)?.connected === true;
    return { transport, recorder, isConnected, address: transport.address };
  }

  /** Takes connections and never says a word. */
  async function listenInSilence(): Promise<string> {
    const sockets = new Set<Socket>();
    const server = createServer({ pauseOnConnect: true }, (socket) => sockets.add(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const bound = server.address();
    return `127.0.0.1:${bound !== null && typeof bound === "object" ? bound.port : 0}`;
  }

  /** Accepts every stream and reads nothing after the hello. */
  async function listenWithoutReading(): Promise<string> {
    const server = new Server();
    const deliver = (call: ServerReadableStream<Buffer, Buffer>) => {
      call.on("error", () => {});
      call.sendMetadata(new Metadata());
    };
    server.addService({ deliver: deliverMethod }, { deliver });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    closing.push(() => server.forceShutdown());
    return `127.0.0.1:${port}`;
  }

  test.each([
    ["that takes connections and is silent", listenInSilence],
    ["that stops reading", listenWithoutReading],
  ])("trap 60: a peer %s delays no other, and its queue stays bounded", async (_what, listenBadly) => {
    const limits = { queueBytesMax: 8 * 1024 * 1024 };
    const [a, c, badAddress] = [await start("a", { limits }), await start("c"), await listenBadly()];
    c.transport.setPeers([peerAt("a", a.address)]);
    a.transport.setPeers([peerAt("b", badAddress), peerAt("c", c.address)]);
    await until(() => a.isConnected("c"));
    for (let round = 0; round < 40; round += 1) {
      a.transport.send("b", [bigAppend("b", 1024 * 1024)]);
      a.transport.send("c", [heartbeat("a", "c", round)]);
      await until(() => c.recorder.messages.length === round + 1);
    }
    expect(a.recorder.unreachable).toContain("b");
    expect(a.recorder.unreachable).not.toContain("c");
    const { sendFailures = 0, sentMessages = 0 } = a.transport.stats().get("b") ?? {};
    // What neither left nor failed is what waits, in the queue and in the socket.
    expect(40 - sendFailures - sentMessages).toBeLessThanOrEqual(8);
    expect(sentMessages).toBeLessThanOrEqual(3);
  });

  test("notices a peer whose process is stopped, and comes back when it goes on", async () => {
    const limits = { keepaliveIntervalMs: 100, keepaliveTimeoutMs: 200, handshakeTimeoutMs: 500 };
    const a = await start("a", { limits });
    const { child, firstLine } = startPeerProcess(a.address);
    closing.push(() => child.kill("SIGKILL"));
    a.transport.setPeers([peerAt("b", await firstLine)]);
    await until(() => a.isConnected("b"));

    child.kill("SIGSTOP");
    await until(() => !a.isConnected("b"));
    await until(() => a.recorder.unreachable.length > 0);
    expect(a.transport.stats().get("b")?.disconnects).toBe(1);

    child.kill("SIGCONT");
    await until(() => a.isConnected("b"));
  });

  function startPeerProcess(addressOfA: string): { child: ChildProcess; firstLine: Promise<string> } {
    const script = fileURLToPath(new URL("peer-process.ts", import.meta.url));
    const flags = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"];
    const child = spawn(process.execPath, [...flags, script, addressOfA], { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    return { child, firstLine: once(lines, "line").then(([line]) => String(line)) };
  }

  test("trap 47: resolves the peer's name again for every connection", async () => {
    let address = "127.0.0.1";
    // Asked with `all: true`, as the resolver does.
    vi.spyOn(dns.promises, "lookup").mockImplementation((async () => [{ address, family: 4 }]) as never);
    const a = await start("a");
    const before = await start("b");
    const port = before.address.split(":")[1];
    before.transport.setPeers([peerAt("a", a.address)]);
    a.transport.setPeers([peerAt("b", `b.raftkv.test:${port}`)]);
    await until(() => a.isConnected("b"));

    await before.transport.close();
    await until(() => !a.isConnected("b"));
    address = "127.0.0.2";
    const after = await start("b", { listenAddress: `127.0.0.2:${port}` });
    after.transport.setPeers([peerAt("a", a.address)]);
    await until(() => a.isConnected("b"));
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => after.recorder.messages.length === 1);
  });

  test("a peer that shows up is called back at once, not after the wait", async () => {
    const limits = { reconnectMinMs: 600_000, reconnectMaxMs: 600_000 };
    const a = await start("a", { limits });
    const gone = await start("b");
    await gone.transport.close();
    a.transport.setPeers([peerAt("b", gone.address)]);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => a.recorder.unreachable.length === 1);
    const b = await start("b", { listenAddress: gone.address });
    b.transport.setPeers([peerAt("a", a.address)]);
    await until(() => a.isConnected("b"));
    expect(roundsOf(b.recorder.messages)).toEqual([]);
  });

  test("every message that is lost while a link waits is reported, so that nobody waits for an answer to it", async () => {
    const a = await start("a", { limits: { reconnectMinMs: 600_000, reconnectMaxMs: 600_000 } });
    a.transport.setPeers([peerAt("b", "127.0.0.1:1")]);
    for (const round of [1, 2, 3]) {
      a.transport.send("b", [heartbeat("a", "b", round)]);
      await until(() => a.recorder.unreachable.length === round);
    }
  });

  test("a lasting refusal is logged once by each side, and again when it changes", async () => {
    const collected = () => {
      const warnings: LogFields[] = [];
      const warn = (fields: LogFields) => void warnings.push(fields);
      return { warnings, logger: { debug() {}, info() {}, warn, error() {} } satisfies Logger };
    };
    const [logOfA, logOfB] = [collected(), collected()];
    let refusal = "data directory x is not y";
    const limits = { reconnectMaxMs: 50 };
    const a = await start("a", { logger: logOfA.logger, limits });
    const b = await start("b", { logger: logOfB.logger }, () => Promise.reject(new Error(refusal)));
    b.transport.setPeers([peerAt("a", a.address)]);
    a.transport.setPeers([peerAt("b", b.address)]);
    await until(() => b.recorder.hellos.length >= 4);
    expect(logOfA.warnings).toEqual([
      {
        peer: "b",
        address: b.address,
        reason: "HELLO_REFUSED",
        error: "FAILED_PRECONDITION: data directory x is not y",
      },
    ]);
    expect(logOfB.warnings).toEqual([expect.objectContaining({ peer: "a", reason: "HELLO_REFUSED", error: refusal })]);
    refusal = "data directory z is not y";
    await until(() => logOfA.warnings.length === 2);
    expect(logOfB.warnings).toHaveLength(2);
  });

  test("an address that cannot be resolved or parsed is an unreachable peer, no more", async () => {
    const a = await start("a", { limits: { reconnectMaxMs: 50 } });
    const addresses = ["", ":::", "no port", "name.invalid:1", "127.0.0.1:99999"];
    a.transport.setPeers(addresses.map((address, i) => peerAt(`p${i}`, address)));
    for (const i of addresses.keys()) a.transport.send(`p${i}`, [heartbeat("a", `p${i}`, 1)]);
    await until(() => new Set(a.recorder.unreachable).size === addresses.length);
  });

  test("a message larger than a frame may be is dropped and reported, and the next one goes through", async () => {
    const a = await start("a", { limits: { frameBytesMax: 100_000 } });
    const b = await start("b");
    b.transport.setPeers([peerAt("a", a.address)]);
    a.transport.setPeers([peerAt("b", b.address)]);
    await until(() => a.isConnected("b"));
    a.transport.send("b", [bigAppend("b", 100_001)]);
    await until(() => a.recorder.unreachable.length === 1);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => b.recorder.messages.length === 1);
    expect(a.transport.stats().get("b")).toMatchObject({ connected: true, sendFailures: 1, sentMessages: 1 });
  });

  test("what is sent within a turn leaves as one frame", async () => {
    const [a, b] = [await start("a"), await start("b")];
    b.transport.setPeers([peerAt("a", a.address)]);
    a.transport.setPeers([peerAt("b", b.address)]);
    await until(() => a.isConnected("b"));
    for (let round = 0; round < 10; round += 1) a.transport.send("b", [heartbeat("a", "b", round)]);
    await until(() => b.recorder.messages.length === 10);
    expect(b.recorder.frames).toEqual([{ from: "a", count: 10, wireBytes: expect.any(Number) }]);
  });

  test("a peer at a new address is found there", async () => {
    const [a, before, after] = [await start("a"), await start("b"), await start("b")];
    before.transport.setPeers([peerAt("a", "127.0.0.1:1")]);
    after.transport.setPeers([peerAt("a", a.address)]);
    a.transport.setPeers([peerAt("b", before.address)]);
    await until(() => a.isConnected("b"));
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => before.recorder.messages.length === 1);
    a.transport.setPeers([peerAt("b", after.address)]);
    await until(() => a.isConnected("b"));
    a.transport.send("b", [heartbeat("a", "b", 2)]);
    await until(() => after.recorder.messages.length === 1);
    expect(roundsOf(after.recorder.messages)).toEqual([2]);
    expect(a.transport.stats().get("b")?.sentMessages).toBe(2);
  });
});
