import { silentLogger } from "../../src/lib/logger.ts";
import { type ConfigurationMember, type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import { defaultRaftOptions } from "../../src/raft/options.ts";
import type { ChangeOutcome, TransferOutcome } from "../../src/replica/administration.ts";
import type { MembershipEdit } from "../../src/replica/membership-edit.ts";
import type { ProposalOutcome, ReadOutcome } from "../../src/replica/outcome.ts";
import { Replica } from "../../src/replica/replica.ts";
import { type ReplicaMetrics, silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions, type ReplicaOptions } from "../../src/replica/replica-options.ts";
import type { Runtime } from "../../src/replica/runtime.ts";
import type { StateMachine } from "../../src/replica/state-machine.ts";
import type { EngineHome } from "../../src/storage/engine-home.ts";
import { openStoreOver } from "../../src/storage/open-store-over.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { createInProcessNetwork } from "../../src/transport/in-process-network.ts";
import { createSteadyRuntime } from "./steady-runtime.ts";

const totalKey = new Uint8Array([1]);

/** Counts the commands applied in one row; a command that begins with 1 may be applied twice without harm, one that begins with 2 is of another version. */
export const countingMachine: StateMachine = {
  indexPrefix: new Uint8Array([9]),
  inspect: (command) => (command[0] === 1 ? "retrySafe" : command[0] === 2 ? "unknown" : "single"),
  apply(_command, _context, rows) {
    const total = readNumber(rows.get(totalKey)) + 1;
    const value = Buffer.alloc(8);
    value.writeDoubleBE(total);
    rows.put(totalKey, value);
    return value;
  },
};

export function readNumber(row: Uint8Array | undefined): number {
  return row === undefined ? 0 : Buffer.from(row).readDoubleBE(0);
}

/** A member as configurations name it. */
export function configured(id: MemberId): ConfigurationMember {
  return { id, name: `name-${id}`, peerAddress: id };
}

/** One member of a {@link ReplicaCluster}. */
export interface ClusterMember {
  readonly id: MemberId;
  readonly replica: Replica;
  /** Errors that stopped it. */
  readonly fatal: unknown[];
}

/** How a cluster differs from the usual one. */
export interface ClusterOptions {
  readonly size?: number;
  readonly options?: Partial<ReplicaOptions>;
  /** Makes the engine of a member. A restart asks again and may get the one that it had. */
  readonly engine: (id: MemberId) => StorageEngine;
  /** Where that engine, which was made last, has its files. Default: nowhere. */
  readonly home?: (id: MemberId) => EngineHome;
  readonly directoryId?: (id: MemberId) => string;
  readonly stateMachine?: StateMachine;
  /** The state machine of a member, where they differ. Default: `stateMachine`. */
  readonly stateMachineOf?: (id: MemberId) => StateMachine;
  /** Clock and scheduling of a member. Default: one steady clock for all. */
  readonly runtime?: (id: MemberId) => Runtime;
  /** What all members tell their metrics. */
  readonly metrics?: Partial<ReplicaMetrics>;
}

/** Replicas of one process over an in-process network, with short timeouts, which stalls of the process do not use up. */
export class ReplicaCluster {
  readonly network = createInProcessNetwork();
  readonly members = new Map<MemberId, ClusterMember>();
  readonly ids: readonly MemberId[];
  readonly #runtime = createSteadyRuntime();
  readonly #options: ClusterOptions;
  #starts = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.ids = ["a", "b", "c", "d", "e"].slice(0, options.size ?? 3);
  }

  async startAll(): Promise<this> {
    for (const id of this.ids) await this.start(id);
    return this;
  }

  /** Starts a new member that the others do not know yet. */
  async join(id: MemberId): Promise<ClusterMember> {
    const introduced = [...this.members.keys(), id].sort().map(configured);
    return this.start(id, { ...votersOnly(introduced), voters: [] });
  }

  async start(id: MemberId, bootstrapConfiguration = votersOnly(this.ids.map(configured))): Promise<ClusterMember> {
    const { engine, home, options, directoryId = (name: MemberId) => name.repeat(32), stateMachine } = this.#options;
    const store = await openStoreOver({
      engine: engine(id),
      ...(home && { home: home(id) }),
      clusterId: "cluster",
      memberId: id,
      bootstrapConfiguration,
      logger: silentLogger,
      newDirectoryId: () => directoryId(id),
    });
    const { dataDirectoryId } = store.identity;
    const identity = { clusterId: "cluster", memberId: id, name: id, dataDirectoryId, clientAddress: `${id}:1` };
    const fatal: unknown[] = [];
    const replica = await Replica.open({
      store,
      transport: this.network.createTransport(identity),
      stateMachine: this.#options.stateMachineOf?.(id) ?? stateMachine ?? countingMachine,
      runtime: this.#options.runtime?.(id) ?? this.#runtime,
      metrics: { ...silentMetrics, ...this.#options.metrics },
      logger: silentLogger,
      options: {
        ...defaultReplicaOptions,
        raft: { ...defaultRaftOptions, electionTimeoutMs: 100, heartbeatIntervalMs: 20 },
        tickIntervalMs: 5,
        ...options,
      },
      seed: ++this.#starts,
      onFatal: (error) => fatal.push(error),
    });
    const member = { id, replica, fatal };
    this.members.set(id, member);
    return member;
  }

  async stop(id: MemberId): Promise<void> {
    const member = this.members.get(id);
    this.members.delete(id);
    await member?.replica.close();
  }

  async stopAll(): Promise<void> {
    for (const id of [...this.members.keys()]) await this.stop(id);
  }

  /** The member that leads and that a quorum follows, once there is one. */
  async leader(): Promise<ClusterMember> {
    return until(() => {
      const statuses = [...this.members.values()].map((member) => ({ member, status: member.replica.status() }));
      const found = statuses.find(({ status }) => status.role === "leader");
      const followers = statuses.filter(
        ({ status }) => status.leaderId === found?.member.id && status.term === found.status.term,
      );
      const { voters = [] } = found?.status.configuration ?? {};
      return followers.length * 2 > voters.length ? found?.member : undefined;
    });
  }

  async follower(): Promise<ClusterMember> {
    const leader = await this.leader();
    return until(() =>
      [...this.members.values()].find((each) => each !== leader && each.replica.status().leaderId === leader.id),
    );
  }
}

/** What a command came to. */
export function propose(
  member: ClusterMember,
  command: number[] = [0],
  timeoutMs = 5000,
  forward = true,
): Promise<ProposalOutcome> {
  const deadlineMs = member.replica.now() + timeoutMs;
  return new Promise((resolve) => member.replica.propose(new Uint8Array(command), { deadlineMs, forward }, resolve));
}

/** What an edit of the membership came to. */
export function change(
  { replica }: ClusterMember,
  edit: MembershipEdit,
  { timeoutMs = 5000, expectedIndex = null as number | null } = {},
): Promise<ChangeOutcome> {
  const options = { deadlineMs: replica.now() + timeoutMs, expectedIndex };
  return new Promise((resolve) => replica.changeMembership(edit, options, resolve));
}

/** What a transfer of leadership came to. */
export function transfer(
  { replica }: ClusterMember,
  target: string | null,
  timeoutMs = 5000,
): Promise<TransferOutcome> {
  return new Promise((resolve) => replica.transferLeadership(target, replica.now() + timeoutMs, resolve));
}

/** Number of commands applied, read linearizably; or why it could not be read. */
export function readTotal(
  member: ClusterMember,
  timeoutMs = 5000,
  forward = true,
): Promise<number | NonNullable<ReadOutcome>> {
  const deadlineMs = member.replica.now() + timeoutMs;
  return new Promise((resolve) =>
    member.replica.readIndex({ deadlineMs, forward }, (outcome) =>
      resolve(outcome ?? readNumber(member.replica.stateRow(totalKey))),
    ),
  );
}

/** Waits until `look` finds something; the test's own time limit ends the wait. */
export async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
