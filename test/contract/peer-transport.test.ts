import { afterEach, describe, expect, test } from "vitest";
import type { ConfigurationMember, MemberId } from "../../src/raft/configuration.ts";
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import { createInProcessNetwork } from "../../src/transport/in-process-transport.ts";
import type { PeerHello, PeerMessage, PeerTransport } from "../../src/transport/peer-transport.ts";
import { identityOf } from "../transport/identity.ts";
import {
  heartbeat,
  recordTransport,
  roundsOf,
  type TransportRecorder,
  until,
} from "../transport/transport-recorder.ts";

interface OpenOptions {
  readonly clusterId?: string;
  readonly queueMessagesMax?: number;
  readonly onHello?: (hello: PeerHello) => Promise<void>;
  /** Default: a free one. */
  readonly peerAddress?: string;
}

interface Node {
  readonly transport: PeerTransport;
  readonly recorder: TransportRecorder;
  readonly member: ConfigurationMember;
}

type Open = (id: MemberId, options?: OpenOptions) => Promise<Node>;

async function openGrpc(id: MemberId, options: OpenOptions = {}): Promise<Node> {
  const { clusterId, queueMessagesMax } = options;
  const transport = new GrpcPeerTransport({
    identity: identityOf(id, clusterId === undefined ? {} : { clusterId }),
    listenAddress: options.peerAddress ?? "127.0.0.1:0",
    limits: queueMessagesMax === undefined ? {} : { queueMessagesMax },
  });
  const recorder = recordTransport(options.onHello);
  await transport.start(recorder);
  return { transport, recorder, member: { id, name: id, peerAddress: transport.address } };
}

function inProcess(): Open {
  const network = createInProcessNetwork();
  return async (id, { clusterId, queueMessagesMax, onHello } = {}) => {
    const transport = network.createTransport(
      identityOf(id, clusterId === undefined ? {} : { clusterId }),
      queueMessagesMax === undefined ? {} : { queueMessagesMax },
    );
    const recorder = recordTransport(onHello);
    await transport.start(recorder);
    return { transport, recorder, member: { id, name: id, peerAddress: `${id}:0` } };
  };
}

describe.each([
  ["gRPC", () => openGrpc],
  ["in process", inProcess],
])("peer transport contract: %s", (_name, makeOpen) => {
  const opened: Node[] = [];

  function opener(): Open {
    const open = makeOpen();
    return async (id, options) => {
      const node = await open(id, options);
      opened.push(node);
      return node;
    };
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((node) => node.transport.close()));
  });

  function introduce(...nodes: Node[]): void {
    for (const node of nodes) {
      node.transport.setPeers(nodes.filter((other) => other !== node).map((other) => other.member));
    }
  }

  const isConnected = (from: Node, to: Node) => from.transport.stats().get(to.member.id)?.connected === true;

  async function connect(...nodes: Node[]): Promise<void> {
    introduce(...nodes);
    await until(() => nodes.every((a) => nodes.every((b) => a === b || isConnected(a, b))));
  }

  test("delivers each way in the order sent", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    for (let turn = 0; turn < 50; turn += 1) {
      for (let i = 0; i < 10; i += 1) a.transport.send("b", [heartbeat("a", "b", turn * 10 + i)]);
      b.transport.send("a", [heartbeat("b", "a", turn)]);
      await new Promise(setImmediate);
    }
    await until(() => b.recorder.messages.length === 500 && a.recorder.messages.length === 50);
    expect(roundsOf(b.recorder.messages)).toEqual(Array.from({ length: 500 }, (_, round) => round));
    expect(roundsOf(a.recorder.messages)).toEqual(Array.from({ length: 50 }, (_, round) => round));
    expect(new Set(b.recorder.frames.map((frame) => frame.from))).toEqual(new Set(["a"]));
  });

  test("delivers nothing from inside send", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    expect(b.recorder.messages).toEqual([]);
    await until(() => b.recorder.messages.length === 1);
  });

  test("tells who the peer is before its first message", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    const { memberId, name, dataDirectoryId, clientAddress } = identityOf("a");
    expect(b.recorder.hellos).toEqual([expect.objectContaining({ memberId, name, dataDirectoryId, clientAddress })]);
  });

  test("links to members that setPeers adds, and cuts those that it leaves out", async () => {
    const open = opener();
    const [a, b, c] = [await open("a"), await open("b"), await open("c")];
    await connect(a, b);
    expect([...a.transport.stats().keys()]).toEqual(["b"]);
    await connect(a, b, c);
    a.transport.send("c", [heartbeat("a", "c", 1)]);
    await until(() => c.recorder.messages.length === 1);

    a.transport.setPeers([c.member]);
    a.transport.send("b", [heartbeat("a", "b", 2)]);
    b.transport.send("a", [heartbeat("b", "a", 3)]);
    a.transport.send("c", [heartbeat("a", "c", 4)]);
    await until(() => c.recorder.messages.length === 2 && !isConnected(b, a));
    expect(b.recorder.messages).toEqual([]);
    expect(a.recorder.messages).toEqual([]);
    expect([...a.transport.stats().keys()]).toEqual(["c"]);
  });

  test("keeps the link of a peer that stays", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    a.transport.setPeers([{ ...b.member }]);
    expect(isConnected(a, b)).toBe(true);
    expect(b.recorder.hellos).toHaveLength(1);
  });

  test("reports a peer that closes once, and never from inside send", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    await b.transport.close();
    await until(() => !isConnected(a, b));
    await until(() => a.recorder.unreachable.length > 0);
    expect(a.recorder.unreachable).toEqual(["b"]);
    expect(a.transport.stats().get("b")).toMatchObject({ connected: false, disconnects: 1 });
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    expect(a.recorder.unreachable).toEqual(["b"]);
  });

  test("reports messages to a peer that was never there", async () => {
    const open = opener();
    const a = await open("a");
    a.transport.setPeers([{ id: "b", name: "b", peerAddress: "127.0.0.1:1" }]);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => a.recorder.unreachable.length === 1);
    expect(a.transport.stats().get("b")).toMatchObject({ connected: false, sendFailures: 1, disconnects: 0 });
  });

  test("reaches a peer again that came back, and delivers nothing twice", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => b.recorder.messages.length === 1);
    await b.transport.close();
    await until(() => !isConnected(a, b));
    const again = await open("b", { peerAddress: b.member.peerAddress });
    again.transport.setPeers([a.member]);
    await until(() => isConnected(a, again) && isConnected(again, a));
    a.transport.send("b", [heartbeat("a", "b", 2)]);
    await until(() => again.recorder.messages.length === 1);
    expect(roundsOf(again.recorder.messages)).toEqual([2]);
  });

  test("delivers nothing of a peer whose hello was refused", async () => {
    const open = opener();
    const a = await open("a");
    const b = await open("b", { onHello: () => Promise.reject(new Error("another data directory")) });
    introduce(a, b);
    await until(() => b.recorder.hellos.length > 0 && isConnected(b, a));
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => a.recorder.unreachable.length > 0);
    expect(b.recorder.messages).toEqual([]);
    expect(isConnected(a, b)).toBe(false);
  });

  test("delivers nothing before onHello has resolved", async () => {
    const open = opener();
    let welcome = () => {};
    const a = await open("a");
    const b = await open("b", { onHello: () => new Promise((resolve) => (welcome = resolve)) });
    introduce(a, b);
    await until(() => b.recorder.hellos.length === 1);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await new Promise(setImmediate);
    expect(b.recorder.messages).toEqual([]);
    welcome();
    await until(() => isConnected(a, b));
    a.transport.send("b", [heartbeat("a", "b", 2)]);
    await until(() => roundsOf(b.recorder.messages).includes(2));
  });

  test("does not link members of different clusters", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b", { clusterId: "c2c2c2c2c2c2c2c2" })];
    introduce(a, b);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    b.transport.send("a", [heartbeat("b", "a", 1)]);
    await until(() => a.recorder.unreachable.length > 0 && b.recorder.unreachable.length > 0);
    expect([...a.recorder.hellos, ...b.recorder.hellos]).toEqual([]);
    expect([...a.recorder.messages, ...b.recorder.messages]).toEqual([]);
  });

  test("drops the queue over its limit, reports it, and goes on", async () => {
    const open = opener();
    const [a, b] = [await open("a", { queueMessagesMax: 100 }), await open("b")];
    await connect(a, b);
    for (let round = 0; round < 101; round += 1) a.transport.send("b", [heartbeat("a", "b", round)]);
    await until(() => a.recorder.unreachable.length === 1);
    expect(a.transport.stats().get("b")).toMatchObject({ connected: true, sendFailures: 101 });
    a.transport.send("b", [heartbeat("a", "b", 101)]);
    await until(() => b.recorder.messages.length > 0);
    expect(roundsOf(b.recorder.messages)).toEqual([101]);
  });

  test("carries entries as large as a request may be, and many of them", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    const command = new Uint8Array(2 * 1024 * 1024 + 4096).map((_, i) => i * 7);
    const sent = Array.from({ length: 8 }, (_, position): PeerMessage => {
      const entry = { kind: "command", index: position + 1, term: 1, timeMs: 5, command } as const;
      return {
        type: "AppendEntriesRequest",
        from: "a",
        to: "b",
        term: 1,
        prevLogIndex: position,
        prevLogTerm: position === 0 ? 0 : 1,
        entries: [entry],
        commitIndex: 0,
      };
    });
    a.transport.send("b", sent);
    await until(() => b.recorder.messages.length === sent.length);
    const commands = b.recorder.messages.flatMap((message) =>
      message.type === "AppendEntriesRequest" ? [...message.entries] : [],
    );
    expect(commands.map((entry) => entry.index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    // Byte by byte is too slow for the matchers.
    expect(commands.every((entry) => entry.kind === "command" && Buffer.compare(entry.command, command) === 0)).toBe(
      true,
    );
  });

  test("counts what is sent and received", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    a.transport.send("b", [heartbeat("a", "b", 1), heartbeat("a", "b", 2)]);
    await until(() => b.recorder.messages.length === 2);
    const wireBytes = b.recorder.frames.reduce((sum, frame) => sum + frame.wireBytes, 0);
    expect(a.transport.stats().get("b")).toMatchObject({ sentMessages: 2, sentBytes: wireBytes, sendFailures: 0 });
    expect(b.transport.stats().get("a")).toMatchObject({ receivedMessages: 2, receivedBytes: wireBytes });
  });

  test("sends what is queued before it closes", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await a.transport.close();
    await until(() => b.recorder.messages.length === 1);
  });

  test("closes twice, ignores what comes later, and stays silent", async () => {
    const open = opener();
    const [a, b] = [await open("a"), await open("b")];
    await connect(a, b);
    await Promise.all([a.transport.close(), a.transport.close()]);
    await a.transport.close();
    const before = a.recorder.messages.length;
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    a.transport.setPeers([b.member]);
    b.transport.send("a", [heartbeat("b", "a", 1)]);
    await until(() => b.recorder.unreachable.length > 0);
    expect(a.recorder.messages).toHaveLength(before);
    expect(a.recorder.unreachable).toEqual([]);
    expect(b.recorder.messages).toEqual([]);
  });
});
