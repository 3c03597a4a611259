import { type CountingStateMachine, createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import { readPair } from "../../src/kv/read.ts";
import type { Logger } from "../../src/lib/logger.ts";
import { type Configuration, isJoint, type MemberId } from "../../src/raft/configuration.ts";
import type { ConfigurationAt } from "../../src/raft/configuration-history.ts";
import type { LogPosition } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import { Replica } from "../../src/replica/replica.ts";
import { type HashMetricResult, silentMetrics } from "../../src/replica/replica-metrics.ts";
import type { ReplicaStatus } from "../../src/replica/replica-status.ts";
import type { MemberStore, StoreBatch } from "../../src/storage/member-store.ts";
import { openStoreOver } from "../../src/storage/open-store-over.ts";
import type { PeerMessage } from "../../src/transport/peer-transport.ts";
import { encodeCommand, put, utf8 } from "../kv/driver.ts";
import { check } from "./broken-rule.ts";
import { diceFor } from "./dice.ts";
import { bootstrapOn, join } from "./joining.ts";
import type { Ledger } from "./ledger.ts";
import { type Machine, MemberProcess } from "./member-process.ts";
import type { WatchedMember } from "./member-rules.ts";
import { type MemberView, viewOf } from "./member-view.ts";
import type { MessageRules } from "./message-rules.ts";
import { SimDisk } from "./sim-disk.ts";
import { openSimEngine, openSimWatermarkFile } from "./sim-engine.ts";
import { openSimHome } from "./sim-home.ts";
import type { SimNetwork } from "./sim-network.ts";
import { SimTransport } from "./sim-transport.ts";
import { checkStopReason } from "./stop-reason.ts";
import { watchStore } from "./watch-store.ts";
import type { World } from "./world.ts";

/** What a member needs of the run that it is part of. */
export interface MemberSurroundings {
  readonly world: World;
  readonly network: SimNetwork;
  readonly ledger: Ledger;
  /** What the founders start with. */
  readonly configuration: Configuration;
  readonly messageRules: MessageRules;
  readonly members: readonly SimMember[];
  readonly applying: (member: SimMember, index: number) => void;
  readonly announces: (member: SimMember, position: LogPosition) => void;
  /** A member gives rows of a snapshot away. */
  readonly serves: (member: SimMember, base: LogBase) => void;
  readonly handsOver: (member: SimMember, view: MemberView, logged: readonly ConfigurationAt[]) => void;
  /** Stops the run: promises have no other way to say that a rule was broken. */
  readonly broken: (error: unknown) => void;
}

/** Why a disk does not count any more, and how its member has to take it. */
export type Damage = "wiped" | "lostTail" | "rotten" | "altered";

const confirmedBy = { lease: "readConfirmedByLease", round: "readConfirmedByRound" } as const;

const clusterId = "00000000000000aa";

const nobody: Configuration = { voters: [], outgoingVoters: [], learners: [], nextLearners: [], members: [] };

/** One member of the cluster: its machine and disk, and the process that runs there now, if any. */
export class SimMember implements WatchedMember {
  readonly machine: Machine;
  readonly disk: SimDisk;
  damage: Damage | undefined;
  /** It stays down: nobody starts it again. */
  retired = false;
  /** Whether it was there from the start; others join with an empty disk. */
  readonly founder: boolean;
  process: MemberProcess | undefined;
  replica: Replica | undefined;
  incarnation = 0;
  readonly #surroundings: MemberSurroundings;
  readonly #world: World;
  #stateMachine: CountingStateMachine | undefined;

  constructor(surroundings: MemberSurroundings, machine: Machine, founder: boolean) {
    this.#surroundings = surroundings;
    this.founder = founder;
    this.#world = surroundings.world;
    this.machine = machine;
    this.disk = new SimDisk(this.#world, machine.number);
  }

  get id(): MemberId {
    return this.machine.id;
  }

  get lost(): boolean {
    return this.damage !== undefined;
  }

  get forgetful(): boolean {
    return this.damage === "wiped" || this.damage === "lostTail";
  }

  /** The newest configuration on its disk; one without voters before there is any. */
  get loggedConfiguration(): ConfigurationAt {
    const { configurations, base } = this.disk;
    const { configuration } = base ?? { configuration: { index: 0, configuration: bootstrapOn(this.disk) ?? nobody } };
    return configurations.at(-1) ?? configuration;
  }

  /** What its state comes to against the quota, as it has counted since its start; `undefined` while it is down. */
  get usedBytes(): number | undefined {
    const { replica } = this;
    return replica && this.#stateMachine?.stateBytes({ get: (key) => replica.stateRow(key) });
  }

  get status(): ReplicaStatus | undefined {
    return this.replica?.status();
  }

  /** Starts a process over whatever is on the disk; does nothing while one runs. */
  start(): void {
    if (this.process !== undefined || this.retired) return;
    this.incarnation++;
    const { acknowledgedIndex } = this.#surroundings.ledger;
    const process = new MemberProcess(this.#world, this.machine, this.incarnation, acknowledgedIndex);
    this.process = process;
    this.#world.trace.note(this.id, "starts");
    if (!this.forgetful) this.#surroundings.messageRules.starts(this.id, this.disk);
    this.#world.touch();
    this.#open(process).catch((error: unknown) => {
      if (!process.alive) return;
      this.#end(process, error);
    });
  }

  /** The process dies where it stands. */
  crash(): void {
    const { process } = this;
    if (process === undefined) return;
    this.#world.trace.note(this.id, "crashes");
    if (this.replica === undefined) this.#world.coverage.saw("crashedWhileOpening");
    this.#bury(process);
    this.disk.settlePending();
  }

  /** Crashes, and starts again after a while. */
  restartAfter(delayMs: number): void {
    this.crash();
    this.startAfter(delayMs);
  }

  startAfter(delayMs: number): void {
    this.#world.queue.after(delayMs, () => this.start());
  }

  /** Ends the process for good. */
  retire(): void {
    this.retired = true;
    this.crash();
  }

  /** Ends the process as an operator does: calls are let end first. `done` follows when it has. */
  stopOrderly(drainMs: number, done: () => void): void {
    const { replica, process } = this;
    if (replica === undefined || process === undefined) return;
    const close = async (): Promise<void> => {
      await replica.drain(process.nowMs + drainMs);
      await replica.close();
      if (!process.alive) return;
      this.#bury(process);
      this.disk.settlePending();
      done();
    };
    process.openCalls++;
    process.run(() => {
      this.#world.touch();
      close().catch((error: unknown) => this.#end(process, error));
    });
  }

  /** Writes a key through this member and reads it back; `done` learns "served", or what happened instead. */
  probe(attempt: number, timeoutMs: number, done: (what: string) => void): void {
    const { replica } = this;
    if (replica === undefined) {
      done("it is down");
      return;
    }
    const call = () => ({ deadlineMs: replica.now() + timeoutMs, forward: true });
    const key = `probe-${this.id}`;
    replica.propose(encodeCommand(put(key, `served ${attempt}`)), call(), (written) => {
      if (written.type !== "applied") {
        done(written.type);
        return;
      }
      replica.readIndex(call(), (failure) => {
        const pair = readPair((row) => replica.stateRow(row), utf8(key));
        const value = Buffer.from(pair?.value?.data ?? []).toString();
        done(failure ?? (value === `served ${attempt}` ? "served" : value));
      });
    });
  }

  #released(process: MemberProcess, messages: readonly PeerMessage[]): void {
    if (this.damage === "wiped") return;
    check(!process.silenced, "silence after a failed write", () => `${this.id} goes on`);
    const { messageRules, announces } = this.#surroundings;
    for (const message of messages) {
      messageRules.released(this.id, this.disk, message);
      if (message.type === "InstallSnapshotRequest") announces(this, { index: message.index, term: message.indexTerm });
    }
  }

  /** Rows of a snapshot leave, as the answer to a promise: nobody else would hear of a rule that they break. */
  #serves(base: LogBase): void {
    const { coverage } = this.#world;
    coverage.saw(this.status?.role === "leader" ? "snapshotServed" : "snapshotServedByFollower");
    if (isJoint(base.configuration.configuration)) coverage.saw("snapshotDuringJointConfiguration");
    if (this.forgetful) return;
    try {
      this.#surroundings.serves(this, base);
    } catch (error) {
      this.#surroundings.broken(error);
    }
  }

  /** The states of the members were compared, as this one sees it. */
  #compared(result: HashMetricResult): void {
    const { coverage, plan } = this.#world;
    if (result === "agreed" && plan.size > 1) coverage.saw("statesAgreed");
    if (result === "split") {
      const wrong = this.#surroundings.members.some(({ damage }) => damage === "altered");
      check(wrong, "equal states agree", () => `${this.id} sees states that differ`);
    }
    if (result !== "outvoted") return;
    check(this.damage === "altered", "only a wrong state is cut off", () => `${this.id} is`);
    coverage.saw("alteredStateFound");
    if (this.status?.role === "leader") coverage.saw("alteredLeaderFound");
  }

  #bury(process: MemberProcess): void {
    process.die();
    this.process = undefined;
    this.replica = undefined;
  }

  async #open(process: MemberProcess): Promise<void> {
    const { network, ledger, configuration, members, applying } = this.#surroundings;
    const { plan } = this.#world;
    const bootstrapConfiguration = this.founder
      ? configuration
      : (bootstrapOn(this.disk) ?? (await join(this.#world, this.id, process, members)));
    const home = openSimHome(this.#world, this.disk, process);
    const store = await openStoreOver({
      engine: openSimEngine({ world: this.#world, disk: this.disk, process, over: this.disk.rowsInUse() }),
      ...(home && { home }),
      watermarkFile: openSimWatermarkFile(this.#world, this.disk, process),
      watermarkIntervalMs: plan.disk.watermarkIntervalMs,
      startTimer: (callback, delayMs) => {
        const timed = (): void => {
          this.#world.touch();
          callback();
        };
        return process.after(delayMs, timed);
      },
      truncationStep: plan.disk.truncationStep,
      installationMarkBytes: plan.disk.installationMarkBytes,
      clusterId,
      memberId: this.id,
      bootstrapConfiguration,
      logger: this.#logger(),
      newDirectoryId: () => this.disk.directoryId,
    });
    if (!process.pass("opening")) return;
    check(this.damage !== "lostTail", "a lost tail is noticed", () => `${this.id} starts without what was durable`);
    watchStore(store, this.#world, {
      handsOver: (batch) => this.#handsOver(store, batch),
      leads: () => this.replica?.core.role === "leader",
    });
    const { dataDirectoryId } = store.identity;
    const identity = {
      clusterId,
      memberId: this.id,
      name: this.id,
      dataDirectoryId,
      clientAddress: `${this.id}:1`,
      peerAddress: this.id,
    };
    const machine = createKvStateMachine(plan.kvLimits);
    this.#stateMachine = machine;
    const replica = await Replica.open({
      store,
      transport: new SimTransport(this.#world, network, process, identity, {
        released: (messages) => this.#released(process, messages),
        serves: (base) => this.#serves(base),
      }),
      stateMachine: ledger.observe(this.id, machine, (index) => applying(this, index)),
      runtime: process.runtime,
      metrics: {
        ...silentMetrics,
        readsConfirmed: (by) => this.#world.coverage.saw(confirmedBy[by]),
        scrubEnded: () => this.#world.coverage.saw("stateScrubbed"),
        hashCompared: (result) => this.#compared(result),
      },
      availableBytes: () => (this.disk.full ? 0 : null),
      logger: this.#logger(),
      options: plan.options,
      seed: diceFor(plan.seed, "election", this.machine.number * 1000 + this.incarnation).whole(0, 2 ** 32 - 1),
      onFatal: (error) => this.#end(process, error),
    });
    if (!process.alive) return;
    this.replica = replica;
    this.#handsOver(store, { entries: [], stateChanges: [] });
  }

  /** Shows what the log holds once the store has taken a batch: all that the core has of it. */
  #handsOver(store: MemberStore, { truncateFrom, entries }: StoreBatch): void {
    if (this.replica === undefined) return;
    const firstNew = truncateFrom ?? Number.POSITIVE_INFINITY;
    const logged = [
      this.disk.base?.configuration ?? { index: 0, configuration: store.identity.bootstrapConfiguration },
      ...this.disk.configurations.filter(({ index }) => index < firstNew),
      ...entries.filter((entry) => entry.kind === "configuration"),
    ];
    if (firstNew <= (this.disk.configurations.at(-1)?.index ?? 0)) this.#world.coverage.saw("configurationTruncated");
    this.#surroundings.handsOver(this, viewOf(this.replica), logged);
  }

  /** The process ends itself, or did not come up. */
  #end(process: MemberProcess, error: unknown): void {
    if (!process.alive) return;
    this.#world.trace.note(this.id, () => `stops: ${String(error)}`);
    try {
      checkStopReason(this.#world, this, process, error);
    } catch (broken) {
      this.#surroundings.broken(broken);
    }
    this.#bury(process);
    this.disk.settlePending();
    if (this.damage === undefined || this.damage === "wiped" || this.damage === "altered")
      this.startAfter(process.dice.real(5, 300));
    else this.retired = true;
  }

  #logger(): Logger {
    const line = (fields: object, message: string): void =>
      this.#world.trace.note(this.id, () => `${message} ${JSON.stringify(fields)}`);
    return { debug: line, info: line, warn: line, error: line };
  }
}
