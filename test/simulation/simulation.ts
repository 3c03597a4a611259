import { type Configuration, type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import { EventQueue } from "../raft/event-queue.ts";
import { Aftermath } from "./aftermath.ts";
import { check } from "./broken-rule.ts";
import { Client } from "./client.ts";
import { ClientPort } from "./client-port.ts";
import { Coverage } from "./coverage.ts";
import { diceFor } from "./dice.ts";
import { History } from "./history.ts";
import { probeLeaders } from "./leader-probe.ts";
import { Ledger } from "./ledger.ts";
import type { MemberProcess } from "./member-process.ts";
import { MemberRules, type QueueLimits } from "./member-rules.ts";
import { MessageRules } from "./message-rules.ts";
import { Nemesis } from "./nemesis.ts";
import { Operator } from "./operator.ts";
import { describePlan, type Plan } from "./plan.ts";
import { type MemberSurroundings, SimMember } from "./sim-member.ts";
import { SimNetwork } from "./sim-network.ts";
import { Trace } from "./trace.ts";
import type { World } from "./world.ts";

// plan (drawn from the seed)
//   |
//   v
// EventQueue: one event at a time, in virtual time; then every promise that it settled; then the rules
//   |-- members:  Replica + store over SimDisk, SimTransport, a Runtime on the machine's clock
//   |-- clients:  sessions, retries, reads; History and Ledger keep what they saw and what was applied
//   `-- nemesis:  the strikes of the plan

/** Events after which a run counts as one that never ends. */
const eventsMax = 3_000_000;

/** No entry is larger, bytes: configurations of a dozen members. */
const entryBytesMax = 4096;

const settled = Promise.resolve();

/** What a run came to. */
export interface RunReport {
  readonly traceHash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly operations: number;
  /** Histories that the order of the log did not explain, so that an order had to be searched for. */
  readonly searchedHistories: number;
  readonly coverage: Coverage;
}

/** How a run is watched. */
export interface RunOptions {
  /** Receives a readable trace. Default: none is made. */
  readonly write?: (line: string) => void;
  /** Lets promises run after every event, needed or not; must not change anything. Default false. */
  readonly settleAlways?: boolean;
}

/** One run of a cluster against a hostile world, in virtual time. The same plan gives the same run. */
export class Simulation implements World {
  readonly plan: Plan;
  readonly queue = new EventQueue();
  readonly trace: Trace;
  readonly coverage = new Coverage();
  /** All there ever were, the founders first. */
  readonly #members: SimMember[] = [];
  readonly network: SimNetwork;
  readonly history = new History();
  readonly ledger: Ledger;
  readonly #clients: readonly Client[];
  readonly #rules: MemberRules;
  readonly #messageRules: MessageRules;
  readonly #nemesis: Nemesis;
  readonly #surroundings: MemberSurroundings;
  readonly #aftermath: Aftermath;
  readonly #settleAlways: boolean;
  readonly #endLooks: (() => void)[] = [];
  #operationsLeft: number;
  #touched = false;
  #broken: { readonly error: unknown } | undefined;

  constructor(plan: Plan, options: RunOptions = {}) {
    this.plan = plan;
    this.#settleAlways = options.settleAlways ?? false;
    this.trace = new Trace(() => this.queue.nowMs, options.write);
    this.ledger = new Ledger(this.coverage, () => this.queue.nowMs);
    this.network = new SimNetwork(this);
    this.#messageRules = new MessageRules(this.coverage, plan.options.raft.electionTimeoutMs);
    const founders = votersOnly(
      Array.from({ length: plan.size }, (_, number) => idOf(number)).map((id) => ({ id, name: id, peerAddress: id })),
    );
    this.#surroundings = this.#memberSurroundings(founders);
    this.#rules = new MemberRules(this.members, founders, this.coverage, limitsOf(plan));
    for (let count = plan.size; count > 0; count--) this.#makeMember(true);
    const { members } = this;
    const { membership } = this.#rules;
    const operator = new Operator({ world: this, members, makeMember: () => this.#makeMember(false), membership });
    this.#nemesis = new Nemesis(this, members, this.network, operator);
    this.#operationsLeft = plan.workload.operationsMax;
    probeLeaders(this, members);
    this.#clients = this.#makeClients();
    const runUntil = (done: () => boolean, untilMs: number) => this.#runUntil(done, untilMs);
    this.#aftermath = new Aftermath({ world: this, members, clients: this.#clients, operator, membership, runUntil });
    if (plan.size === 1) this.coverage.saw("singleMember");
    if (plan.size % 2 === 0) this.coverage.saw("evenCluster");
    if (plan.size > 5) this.coverage.saw("largeCluster");
    if (plan.driftMax > 0) this.coverage.saw("clocksDrifted");
  }

  get members(): readonly SimMember[] {
    return this.#members;
  }

  /** Runs to the end; throws a {@link BrokenRule} at the first rule that is broken. */
  async run(): Promise<RunReport> {
    this.trace.note("!", () => describePlan(this.plan));
    for (const member of this.members) member.start();
    await this.#runUntil(() => false, this.plan.faultsMs);
    this.trace.note("!", "heals");
    this.#operationsLeft = 0;
    this.#nemesis.end();
    await this.#aftermath.check();
    for (const look of this.#endLooks) look();
    this.history.check(this.ledger);
    return {
      traceHash: this.trace.hash,
      events: this.trace.events,
      virtualMs: this.queue.nowMs,
      operations: this.history.size,
      searchedHistories: this.history.searched,
      coverage: this.coverage,
    };
  }

  touch(): void {
    this.#touched = true;
  }

  acted(process: MemberProcess): void {
    if (process.openCalls > 0) this.#touched = true;
    const member = this.members[process.machine.number];
    if (member === undefined || member.process !== process) return;
    const { replica } = member;
    if (replica === undefined) return;
    const { term, commitIndex, lastIndex } = replica.core;
    this.trace.mix(this.queue.nowMs, process.machine.number, term, commitIndex, replica.appliedIndex, lastIndex);
    const elected = this.#rules.acted(member);
    if (elected) this.#nemesis.leaderElected(member);
  }

  #memberSurroundings(founders: Configuration): MemberSurroundings {
    return {
      world: this,
      network: this.network,
      ledger: this.ledger,
      configuration: founders,
      members: this.members,
      messageRules: this.#messageRules,
      applying: (member, index) => this.#rules.applying(member, index),
      handsOver: (member, status, logged) => this.#rules.handsOver(member, status, logged),
      announces: (member, position) => this.#rules.announces(member, position),
      serves: (member, base) => this.#rules.stands(member, base),
      broken: (error) => this.#fail(error),
    };
  }

  /** One more member, not started: a founder, or one that joins. */
  #makeMember(founder: boolean): SimMember {
    const number = this.#members.length;
    const dice = diceFor(this.plan.seed, "identity", number);
    const { driftMax } = this.plan;
    const rate = 1 + dice.real(-driftMax, driftMax);
    const machine = { id: idOf(number), number, rate, wallClockOffsetMs: dice.real(0, 5000) };
    const member = new SimMember(this.#surroundings, machine, founder);
    member.disk.onEntryRemoved = (position) => this.#rules.entryRemoved(member, position);
    member.disk.onBaseMoved = (base) => this.#rules.baseMoved(member, base);
    member.disk.onStateChanged = (appliedIndex, hash) => {
      if (!member.lost) this.ledger.checkState(member.id, appliedIndex, hash);
    };
    this.#members.push(member);
    return member;
  }

  #makeClients(): Client[] {
    const port = new ClientPort(this, this.ledger, diceFor(this.plan.seed, "workload", 1000));
    const surroundings = {
      world: this,
      members: this.members,
      port,
      history: this.history,
      ledger: this.ledger,
      takeOperation: () => this.#operationsLeft-- > 0,
      atEnd: (look: () => void) => {
        this.#endLooks.push(look);
      },
    };
    return Array.from(
      { length: this.plan.workload.clients },
      (_, number) => new Client(`c${number}`, surroundings, diceFor(this.plan.seed, "workload", number)),
    );
  }

  #fail(error: unknown): void {
    this.#broken ??= { error };
  }

  /** Runs events until `done` holds or the time is over; whether it came to hold. */
  #runUntil(done: () => boolean, untilMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          const ended = this.#runUnsettled(done, untilMs);
          if (ended === undefined) void settled.then(waitForPromises);
          else resolve(ended);
        } catch (error) {
          reject(error);
        }
      };
      // Node runs the next tick when no promise is left that could go on.
      const waitForPromises = (): void => process.nextTick(run);
      run();
    });
  }

  /** The same up to an event after which promises have to run: `undefined` then. A function that awaits would stay slow code. */
  #runUnsettled(done: () => boolean, untilMs: number): boolean | undefined {
    for (;;) {
      if (this.#broken !== undefined) throw this.#broken.error;
      check(this.trace.events < eventsMax, "runs end", () => `${eventsMax} events`);
      if (done()) return true;
      if (!this.queue.runNext(untilMs)) return false;
      if (this.#touched || this.#settleAlways) break;
    }
    this.#touched = false;
    return undefined;
  }
}

function limitsOf({ options }: Plan): QueueLimits {
  const { pendingProposalsMax, pendingReadsMax, raft } = options;
  return {
    proposals: pendingProposalsMax,
    // Those that ask the leader, and those that wait for a revision.
    reads: 2 * pendingReadsMax,
    inflightMessages: raft.inflight.messages,
    inflightBytes: raft.inflight.bytes + raft.appendBytesMax + entryBytesMax,
  };
}

/** Letters, so that traces are short: a, b, and so on. */
function idOf(number: number): MemberId {
  return String.fromCodePoint(97 + number);
}
