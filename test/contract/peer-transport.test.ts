import { afterEach, describe, expect, test } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import type { ConfigurationMember, MemberId } from "../../src/raft/configuration.ts";
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import { createInProcessNetwork } from "../../src/transport/in-process-network.ts";
import type {
  PeerHello,
  PeerMessage,
  PeerTransport,
  PeerTransportHandlers,
} from "../../src/transport/peer-transport.ts";
import type { SnapshotChunk } from "../../src/transport/snapshot-transfer.ts";
import { identityOf } from "../transport/identity.ts";
import { chunkOf, filesChunk, firstChunk, rowsChunk, rowsOf } from "../transport/snapshot-rows.ts";
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
  readonly onSnapshotChunk?: PeerTransportHandlers["onSnapshotChunk"];
  readonly fetchesMax?: number;
  readonly fetchTimeoutMs?: number;
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
  const { clusterId, peerAddress, onHello, onSnapshotChunk, ...limits } = options;
  const transport = new GrpcPeerTransport({
    identity: identityOf(id, clusterId === undefined ? {} : { clusterId }),
    listenAddress: peerAddress ?? "127.0.0.1:0",
    limits,
  });
  const recorder = recordTransport(onHello, onSnapshotChunk);
  await transport.start(recorder);
  return { transport, recorder, member: { id, name: id, peerAddress: transport.address } };
}

function inProcess(): Open {
  const network = createInProcessNetwork();
  return async (id, { clusterId, peerAddress: _, onHello, onSnapshotChunk, ...limits } = {}) => {
    const transport = network.createTransport(identityOf(id, clusterId === undefined ? {} : { clusterId }), limits);
    const recorder = recordTransport(onHello, onSnapshotChunk);
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

  test("lets the replica decide about a member that is no peer yet", async () => {
    const open = opener();
    const a = await open("a");
    let welcome = false;
    const b = await open("b", {
      onHello: async () => {
        if (welcome) b.transport.setPeers([a.member]);
      },
    });
    a.transport.setPeers([b.member]);
    await until(() => b.recorder.hellos.length > 0);
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    await until(() => a.recorder.unreachable.length > 0);
    expect([isConnected(a, b), b.recorder.messages]).toEqual([false, []]);
    welcome = true;
    await until(() => isConnected(a, b));
    a.transport.send("b", [heartbeat("a", "b", 2)]);
    await until(() => b.recorder.messages.length > 0);
    expect(roundsOf(b.recorder.messages)).toEqual([2]);
  });

  describe("parts of snapshots", () => {
    test("are asked of a peer and answered, whether the links stand or not", async () => {
      const open = opener();
      const chunk = chunkOf([1, 2, 3]);
      const [a, b] = [await open("a"), await open("b", { onSnapshotChunk: async () => chunk })];
      introduce(a, b);
      const request = firstChunk({ minIndex: 9, bytesMax: 5000 });
      expect(await a.transport.fetchSnapshotChunk("b", request)).toEqual(chunk);
      const next = { ...request, snapshotId: "s1", after: Uint8Array.of(7, 0) };
      expect(await a.transport.fetchSnapshotChunk("b", next)).toEqual(chunk);
      expect(b.recorder.fetches).toEqual([
        { from: "a", request },
        { from: "a", request: next },
      ]);
      expect(b.recorder.hellos[0]).toMatchObject({ memberId: "a", dataDirectoryId: "directory-a" });
    });

    test("may come as files of an engine instead", async () => {
      const open = opener();
      const answers = [filesChunk(0, 300), filesChunk(300, 716), chunkOf([1])];
      const onSnapshotChunk = async () => answers.shift() ?? expect.fail("asked too often");
      const [a, b] = [await open("a"), await open("b", { onSnapshotChunk })];
      introduce(a, b);
      const request = firstChunk({ engine: "classic-level", bytesMax: 500 });
      expect(await a.transport.fetchSnapshotChunk("b", request)).toEqual(filesChunk(0, 300));
      const rest = { ...request, snapshotId: "s1", offset: 300 };
      expect(await a.transport.fetchSnapshotChunk("b", rest)).toEqual(filesChunk(300, 716));
      // A member that has another engine.
      expect(await a.transport.fetchSnapshotChunk("b", request)).toEqual(chunkOf([1]));
      expect(b.recorder.fetches.map((fetched) => fetched.request)).toEqual([request, rest, request]);
    });

    test("may be as large as the largest value, and many", async () => {
      const open = opener();
      const large = new Uint8Array(2 * 1024 * 1024).map((_, i) => i * 7);
      const rows = Array.from({ length: 4 }, (_, number) => [Uint8Array.of(number), large] as const);
      const [a, b] = [await open("a"), await open("b", { onSnapshotChunk: async () => rowsChunk(rows) })];
      introduce(a, b);
      const fetched = rowsOf(await a.transport.fetchSnapshotChunk("b", firstChunk()));
      expect(fetched.map(([key]) => key)).toEqual(rows.map(([key]) => key));
      // Byte by byte is too slow for the matchers.
      expect(fetched.every(([, value]) => Buffer.compare(value, large) === 0)).toBe(true);
    });

    test("of a snapshot that is gone are told from those that cannot be had now", async () => {
      const open = opener();
      const answers = [new RaftKvError("SNAPSHOT_GONE", "forgotten"), new Error("busy")];
      const onSnapshotChunk = () => Promise.reject(answers.shift() ?? new Error("asked too often"));
      const [a, b] = [await open("a"), await open("b", { onSnapshotChunk })];
      introduce(a, b);
      const fetch = () => a.transport.fetchSnapshotChunk("b", firstChunk({ snapshotId: "s1" }));
      await expect(fetch()).rejects.toMatchObject({
        code: "SNAPSHOT_GONE",
        message: expect.stringContaining("forgotten"),
      });
      await expect(fetch()).rejects.toMatchObject({
        code: "PEER_UNREACHABLE",
        message: expect.stringContaining("busy"),
      });
    });

    test("are refused to members of another cluster, to strangers, and to whom the replica refuses", async () => {
      const open = opener();
      const a = await open("a");
      const elsewhere = await open("b", { clusterId: "c2c2c2c2c2c2c2c2", onSnapshotChunk: async () => chunkOf([1]) });
      const aloof = await open("c", { onSnapshotChunk: async () => chunkOf([1]) });
      const wary = await open("d", {
        onSnapshotChunk: async () => chunkOf([1]),
        onHello: () => Promise.reject(new Error("another data directory")),
      });
      introduce(a, elsewhere, wary);
      a.transport.setPeers([elsewhere.member, aloof.member, wary.member]);
      for (const { member } of [elsewhere, aloof, wary]) {
        const fetched = a.transport.fetchSnapshotChunk(member.id, firstChunk());
        await expect(fetched).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
      }
      await expect(a.transport.fetchSnapshotChunk("e", firstChunk())).rejects.toMatchObject({
        code: "PEER_UNREACHABLE",
      });
      expect([elsewhere, aloof, wary].flatMap(({ recorder }) => recorder.fetches)).toEqual([]);
    });

    test("over the limit of requests at one time are refused, and given later", async () => {
      const open = opener();
      const answers: (() => void)[] = [];
      const onSnapshotChunk = () => new Promise<SnapshotChunk>((resolve) => answers.push(() => resolve(chunkOf([1]))));
      const [a, b] = [await open("a"), await open("b", { fetchesMax: 2, onSnapshotChunk })];
      introduce(a, b);
      const fetch = () => a.transport.fetchSnapshotChunk("b", firstChunk());
      const first = [fetch(), fetch()];
      await until(() => answers.length === 2);
      await expect(fetch()).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
      for (const answer of answers.splice(0)) answer();
      expect((await Promise.all(first)).map((chunk) => rowsOf(chunk).length)).toEqual([1, 1]);
      const again = fetch();
      await until(() => answers.length === 1);
      answers[0]?.();
      await again;
    });

    test("that do not come in time are given up", async () => {
      const open = opener();
      const a = await open("a", { fetchTimeoutMs: 100 });
      const b = await open("b", { onSnapshotChunk: () => new Promise(() => {}) });
      introduce(a, b);
      const fetched = a.transport.fetchSnapshotChunk("b", firstChunk());
      await expect(fetched).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    });

    test.each(["asks", "is asked"])("end when the member that %s closes, or is no peer any more", async (who) => {
      const open = opener();
      const a = await open("a");
      const b = await open("b", { onSnapshotChunk: () => new Promise(() => {}) });
      introduce(a, b);
      const fetched = a.transport.fetchSnapshotChunk("b", firstChunk());
      const rejected = expect(fetched).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
      await until(() => b.recorder.fetches.length === 1);
      if (who === "asks") a.transport.setPeers([]);
      else await b.transport.close();
      await rejected;
      await a.transport.close();
      await expect(a.transport.fetchSnapshotChunk("b", firstChunk())).rejects.toMatchObject({
        code: "PEER_UNREACHABLE",
      });
    });

    test("are had again from a peer that came back", async () => {
      const open = opener();
      const onSnapshotChunk = async () => chunkOf([1]);
      const [a, b] = [await open("a"), await open("b", { onSnapshotChunk })];
      introduce(a, b);
      await a.transport.fetchSnapshotChunk("b", firstChunk());
      await b.transport.close();
      await expect(a.transport.fetchSnapshotChunk("b", firstChunk())).rejects.toMatchObject({
        code: "PEER_UNREACHABLE",
      });
      const again = await open("b", { peerAddress: b.member.peerAddress, onSnapshotChunk });
      again.transport.setPeers([a.member]);
      expect(rowsOf(await a.transport.fetchSnapshotChunk("b", firstChunk()))).toHaveLength(1);
    });
  });
});
