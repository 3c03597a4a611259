import { randomInt } from "node:crypto";
import { statfs } from "node:fs/promises";
import { resolve } from "node:path";
import type { MemberConfig } from "../config/member-config.ts";
import { type CountingStateMachine, createKvStateMachine } from "../kv/kv-state-machine.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { Replica } from "../replica/replica.ts";
import { processRuntime } from "../replica/runtime.ts";
import { createServerMetrics, type ServerMetrics } from "../server/metrics.ts";
import { RaftKvServer } from "../server/raftkv-server.ts";
import type { ServerIdentity } from "../server/server-identity.ts";
import type { MemberStore } from "../storage/member-store.ts";
import { openMemberStore } from "../storage/open-member-store.ts";
import { GrpcPeerTransport } from "../transport/grpc-peer-transport.ts";
import { backupMaker } from "./backup-maker.ts";
import { chooseOwner } from "./choose-owner.ts";
import { explainDiskFailure } from "./explain-disk-failure.ts";
import { explainLostEntries } from "./explain-lost-entries.ts";
import { takeFreePort } from "./free-port.ts";
import { handOver } from "./hand-over.ts";
import { kvReader } from "./kv-reader.ts";
import { grpcLeaderProxy } from "./leader-proxy.ts";
import { replicaOptions, serverLimits, transportLimits } from "./member-settings.ts";
import { readVersion } from "./read-version.ts";
import type { RunningMember } from "./running-member.ts";
import { type DiskWatcher, watchDisk } from "./watch-disk.ts";

// The composition root of a member. What stands below is opened first and closed last:
//
//   server (client port, metrics port)
//   replica (the loop)  ──  peer transport (peer port)
//   store (data directory)

interface Parts {
  readonly store: MemberStore;
  readonly transport: GrpcPeerTransport;
  readonly replica: Replica;
  readonly server: RaftKvServer;
  readonly handOverLeadership: () => Promise<void>;
}

/** How often a free port is looked for, when somebody else takes the one that was found. */
const freePortAttempts = 5;

/** Puts a member together and starts it. Rejects with the error of the part that could not start; nothing is held then. */
export async function startMember(given: MemberConfig, logger: Logger): Promise<RunningMember> {
  for (let attempt = 1; ; attempt++) {
    // Peers are told the client address before it is listened on, so port 0 has to become a port first.
    const config = await takeFreePort(given);
    const opened: Closable[] = [];
    try {
      return await openMember(config, logger, opened);
    } catch (error) {
      await closeAll(opened, logger);
      const portMayBeLost = config !== given && error instanceof RaftKvError && error.code === "ADDRESS_IN_USE";
      if (!portMayBeLost || attempt === freePortAttempts) throw await explainDiskFailure(error, given.dataDir);
    }
  }
}

/** A part that can be closed however far it got; closing it twice does nothing. */
interface Closable {
  close(): Promise<void>;
}

/** Closes the last opened first. What fails is only logged: the error that led here is the one to tell. */
async function closeAll(opened: readonly Closable[], logger: Logger): Promise<void> {
  for (const part of opened.toReversed()) {
    await part.close().catch((error: unknown) => logger.warn({ err: error }, "a part of the member did not close"));
  }
}

/** Opens part after part, each noted in `opened` before the next. */
async function openMember(config: MemberConfig, logger: Logger, opened: Closable[]): Promise<RunningMember> {
  const { identity, store } = await openStore(config, logger);
  opened.push(store);
  let fail: (error: unknown) => void = () => {};
  const fatal = new Promise<never>((_, reject) => {
    fail = (error) => void explainDiskFailure(explainLostEntries(error, config), config.dataDir).then(reject);
  });
  // Whoever serves the member races this; until then a failure must not count as one that nobody handles.
  fatal.catch(() => {});

  const metrics = createServerMetrics();
  const stateMachine = createKvStateMachine();
  const transport = new GrpcPeerTransport({
    identity: {
      ...identity,
      dataDirectoryId: store.identity.dataDirectoryId,
      peerAddress: config.advertisePeerAddress,
    },
    listenAddress: config.peerAddress,
    logger,
    limits: transportLimits(config),
  });
  opened.push(transport);
  const disk = watchDisk(config, logger);
  opened.push(disk);
  const replica = await openReplica({ config, logger, store, transport, stateMachine, metrics, disk, fail });
  opened.push(replica);
  disk.tell((low) => replica.noteDiskSpace(low));
  const server = createServer({ config, identity, logger, replica, transport, stateMachine, metrics });
  opened.push(server);
  const { metricsPort } = await server.start();
  const handOverLeadership = () => handOver(replica, config.electionTimeoutMs, metrics, logger);
  return runningMember(config, { store, transport, replica, server, handOverLeadership }, metricsPort, fatal);
}

async function openStore(config: MemberConfig, logger: Logger) {
  const store = await openMemberStore({
    directory: config.dataDir,
    engineName: config.storageEngine,
    chooseOwner: (stored) => chooseOwner(config, stored, logger),
    logger,
  });
  const identity: ServerIdentity = {
    clusterId: store.identity.clusterId,
    memberId: store.identity.memberId,
    name: config.name,
    clientAddress: config.advertiseClientAddress,
    version: readVersion(),
    buildRevision: "",
  };
  return { identity, store };
}

interface ReplicaParts extends Pick<Parts, "store" | "transport"> {
  readonly config: MemberConfig;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
  readonly disk: DiskWatcher;
  readonly fail: (error: unknown) => void;
  readonly stateMachine: CountingStateMachine;
}

function openReplica({
  config,
  logger,
  store,
  transport,
  stateMachine,
  metrics,
  disk,
  fail,
}: ReplicaParts): Promise<Replica> {
  return Replica.open({
    store,
    transport,
    stateMachine,
    runtime: processRuntime,
    metrics: metrics.replica,
    logger,
    options: replicaOptions(config),
    seed: randomInt(2 ** 32),
    onFatal: fail,
    availableBytes: disk.availableBytes,
  });
}

interface ServerParts extends Pick<Parts, "transport" | "replica"> {
  readonly config: MemberConfig;
  readonly identity: ServerIdentity;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
  readonly stateMachine: CountingStateMachine;
}

function createServer({
  config,
  identity,
  logger,
  replica,
  transport,
  stateMachine,
  metrics,
}: ServerParts): RaftKvServer {
  return new RaftKvServer({
    clientAddress: config.clientAddress,
    metricsAddress: config.metricsAddress,
    replica,
    reader: kvReader(replica),
    leaderProxy: grpcLeaderProxy,
    makeBackup: backupMaker(identity, stateMachine),
    identity,
    logger,
    metrics,
    limits: serverLimits(config),
    electionTimeoutMs: config.electionTimeoutMs,
    duplicateRequests: () => stateMachine.duplicateRequests,
    peerLinks: () => transport.stats(),
    diskWriteAgeMs: () => replica.diskWriteAgeMs(),
    diskWriteMsMax: config.writeStallTimeoutMs,
    disk: async () => {
      const { bavail, blocks, bsize } = await statfs(config.dataDir);
      return { availableBytes: bavail * bsize, capacityBytes: blocks * bsize };
    },
  });
}

function runningMember(config: MemberConfig, parts: Parts, metricsPort: number, fatal: Promise<never>): RunningMember {
  const { store, transport, replica, server, handOverLeadership } = parts;
  return {
    facts: {
      clusterId: store.identity.clusterId,
      memberId: store.identity.memberId,
      clientAddress: config.clientAddress,
      peerAddress: transport.address,
      metricsAddress: config.metricsAddress.replace(/:0$/, `:${metricsPort}`),
      dataDir: resolve(config.dataDir),
      durability: `${config.storageEngine}, synced before every acknowledgement`,
    },
    fatal,
    handOver: handOverLeadership,
    requestsUnderWay: () => server.callsUnderWay,
    drain: async () => {
      const deadlineMs = replica.now() + config.drainTimeoutMs;
      await server.drain(config.drainTimeoutMs);
      await replica.drain(deadlineMs);
    },
    close: async () => {
      await server.close();
      try {
        await replica.close();
      } catch (error) {
        throw await explainDiskFailure(error, config.dataDir);
      }
    },
  };
}
