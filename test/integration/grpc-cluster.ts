import { onTestFinished } from "vitest";
import { backupMaker } from "../../src/cli/backup-maker.ts";
import { kvReader } from "../../src/cli/kv-reader.ts";
import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import { defaultRaftOptions, type RaftOptions } from "../../src/raft/options.ts";
import { Replica } from "../../src/replica/replica.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { createServerMetrics } from "../../src/server/metrics.ts";
import { openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { openStoreOver } from "../../src/storage/open-store-over.ts";
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import type { PeerTransport } from "../../src/transport/peer-transport.ts";
import { findFreePorts } from "../lib/free-ports.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { createSteadyRuntime } from "../replica/steady-runtime.ts";
import { type ServerHarness, startServer } from "../server/server-harness.ts";
import { openTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

const clusterId = "00000000000000c1";

/** A member of a {@link GrpcCluster}. */
export interface GrpcMember {
  readonly id: MemberId;
  readonly replica: Replica;
  /** HOST:PORT of its client port. */
  readonly clientAddress: string;
  /** Calls a method of its client port. */
  readonly call: ServerHarness["call"];
  /** What it shows to Prometheus. */
  readonly expose: () => Promise<string>;
}

/** Three members of one process over real connections, each of which may be cut; all of it ends with the test. */
export class GrpcCluster {
  readonly members: GrpcMember[] = [];
  readonly #runtime = createSteadyRuntime();
  /** By who connects and who listens. */
  readonly #proxies = new Map<string, TcpProxy>();

  /** Starts the members. `raft` is what their settings differ in from the usual ones. */
  async start(raft: Partial<RaftOptions>): Promise<this> {
    const ports = await findFreePorts(3);
    const ids = ports.map((_, position) => `00000000000000a${position + 1}`);
    for (const from of ids) {
      for (const [position, to] of ids.entries()) {
        const proxy = await openTcpProxy(ports[position] ?? 0);
        this.#proxies.set(`${from} ${to}`, proxy);
        onTestFinished(() => proxy.close());
      }
    }
    for (const [position, id] of ids.entries()) {
      this.members.push(await this.#startMember(id, ids, `127.0.0.1:${ports[position]}`, raft));
    }
    return this;
  }

  /** Nothing gets to the member, or from it, but what its clients say. */
  cut({ id }: GrpcMember): void {
    for (const [ends, proxy] of this.#proxies) if (ends.includes(id)) proxy.cut();
  }

  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.heal();
  }

  /** The member that leads in the highest term and that another one follows, once there is one among `members`. */
  leader(members: readonly GrpcMember[] = this.members): Promise<GrpcMember> {
    const find = () =>
      members.find(({ id, replica }) => {
        const { role, term } = replica.status();
        const follows = ({ replica: other }: GrpcMember): boolean => {
          const status = other.status();
          return status.role === "follower" && status.leaderId === id && status.term === term;
        };
        return role === "leader" && members.some(follows);
      });
    return waitUntil(find, { what: "a leader that another member follows", intervalMs: 2 });
  }

  async #startMember(
    id: MemberId,
    ids: readonly MemberId[],
    listenAddress: string,
    raft: Partial<RaftOptions>,
  ): Promise<GrpcMember> {
    const configured = ids.map((each) => ({ id: each, name: each, peerAddress: `${each}.test:1` }));
    const store = await openStoreOver({
      engine: openMemoryEngine(),
      clusterId,
      memberId: id,
      bootstrapConfiguration: votersOnly(configured),
      logger: silentLogger,
      newDirectoryId: () => id.repeat(2),
    });
    const { dataDirectoryId } = store.identity;
    const identity = { clusterId, memberId: id, name: id, dataDirectoryId, clientAddress: `${id}.test:2` };
    const metrics = createServerMetrics();
    const stateMachine = createKvStateMachine();
    const replica = await Replica.open({
      store,
      transport: this.#throughProxies(id, new GrpcPeerTransport({ identity, listenAddress })),
      stateMachine,
      runtime: this.#runtime,
      metrics: metrics.replica,
      logger: silentLogger,
      options: { ...defaultReplicaOptions, raft: { ...defaultRaftOptions, ...raft } },
      seed: ids.indexOf(id) + 1,
      onFatal: (error) => {
        throw error;
      },
    });
    onTestFinished(() => replica.close());
    const identified = { ...identity, version: "test", buildRevision: "" };
    const reader = kvReader(replica);
    const makeBackup = backupMaker(identified, stateMachine);
    const overrides = { replica, reader, metrics, identity: identified, makeBackup };
    const { call, clientAddress } = await startServer({ overrides });
    return { id, replica, clientAddress, call, expose: () => metrics.expose("prometheus") };
  }

  /** The transport, which finds each peer behind a proxy of its own. */
  #throughProxies(from: MemberId, transport: GrpcPeerTransport): PeerTransport {
    const addressOf = (to: MemberId): string => this.#proxies.get(`${from} ${to}`)?.address ?? "127.0.0.1:1";
    return {
      start: (handlers) => transport.start(handlers),
      setPeers: (peers) => transport.setPeers(peers.map((peer) => ({ ...peer, peerAddress: addressOf(peer.id) }))),
      send: (to, messages) => transport.send(to, messages),
      fetchSnapshotChunk: (peer, request) => transport.fetchSnapshotChunk(peer, request),
      stats: () => transport.stats(),
      close: () => transport.close(),
    };
  }
}
