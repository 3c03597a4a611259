import { votersOnly } from "../../src/raft/configuration.ts";
import { EventQueue } from "../raft/event-queue.ts";
import { check } from "./broken-rule.ts";
import { Client } from "./client.ts";
import { ClientPort } from "./client-port.ts";
import { Coverage } from "./coverage.ts";
import { diceFor } from "./dice.ts";
import { History } from "./history.ts";
import { Ledger } from "./ledger.ts";
import type { MemberProcess } from "./member-process.ts";
import { MemberRules } from "./member-rules.ts";
import { MessageRules } from "./message-rules.ts";
import { Nemesis } from "./nemesis.ts";
import type { Plan } from "./plan.ts";
import { SimMember } from "./sim-member.ts";
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

/** What a run came to. */
export interface RunReport {
  readonly traceHash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly operations: number;
  readonly undecided: number;
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
  readonly members: readonly SimMember[];
  readonly network: SimNetwork;
  readonly history = new History();
  readonly ledger: Ledger;
  readonly #clients: readonly Client[];
  readonly #rules: MemberRules;
  readonly #messageRules: MessageRules;
  readonly #nemesis: Nemesis;
  readonly #settleAlways: boolean;
  readonly #endLooks: (() => void)[] = [];
  #operationsLeft: number;
  #touched = false;
  #broken: { readonly error: unknown } | undefined;

  constructor(plan: Plan, options: RunOptions = {}) {
    this.plan = plan;
    this.#settleAlways = options.settleAlways ?? false;
    this.trace = new Trace(() => this.queue.nowMs, options.write);
    this.ledger = new Ledger(this.coverage);
    this.network = new SimNetwork(this);
    this.#messageRules = new MessageRules(this.coverage);
    this.members = this.#makeMembers();
    // A member counts what its own callers and other members passed on, each up to the limit.
    this.#rules = new MemberRules(this.members, this.coverage, plan.options.pendingProposalsMax + 2);
    this.#nemesis = new Nemesis(this, this.members, this.network);
    this.#operationsLeft = plan.workload.operationsMax;
    this.#clients = this.#makeClients();
    if (plan.size === 1) this.coverage.saw("singleMember");
  }

  /** Runs to the end; throws a {@link BrokenRule} at the first rule that is broken. */
  async run(): Promise<RunReport> {
    for (const member of this.members) {
      member.disk.onEntryRemoved = (position) => this.#rules.entryRemoved(position);
      member.start();
    }
    await this.#runUntil(() => false, this.plan.faultsMs);
    this.trace.note("!", "heals");
    this.#operationsLeft = 0;
    this.#nemesis.end();
    await this.#converge("after the faults");
    for (const member of this.members) if (!member.lost) await this.#probe(member);
    await this.#converge("after a write");
    await this.#compareStates();
    for (const look of this.#endLooks) look();
    this.history.check();
    return {
      traceHash: this.trace.hash,
      events: this.trace.events,
      virtualMs: this.queue.nowMs,
      operations: this.history.size,
      undecided: this.history.undecided,
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
    const { status } = member;
    if (status === undefined) return;
    const { term, commitIndex, appliedIndex, lastIndex } = status;
    this.trace.mix(this.queue.nowMs, process.machine.number, term, commitIndex, appliedIndex, lastIndex);
    const elected = this.#rules.acted(member, status);
    if (elected) this.#nemesis.leaderElected(member);
  }

  #makeMembers(): SimMember[] {
    const { seed, size, driftMax } = this.plan;
    const ids = Array.from({ length: size }, (_, number) => String.fromCodePoint(97 + number));
    const configuration = votersOnly(ids.map((id) => ({ id, name: id, peerAddress: id })));
    const surroundings = {
      world: this,
      network: this.network,
      ledger: this.ledger,
      configuration,
      messageRules: this.#messageRules,
      applying: (member: SimMember, index: number) => this.#rules.applying(member, index),
      broken: (error: unknown) => this.#fail(error),
    };
    const dice = diceFor(seed, "identity");
    return ids.map((id, number) => {
      const machine = { id, number, rate: 1 + dice.real(-driftMax, driftMax), wallClockOffsetMs: dice.real(0, 5000) };
      return new SimMember(surroundings, machine);
    });
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
  async #runUntil(done: () => boolean, untilMs: number): Promise<boolean> {
    while (!done()) {
      if (!this.queue.runNext(untilMs)) return false;
      if (this.#touched || this.#settleAlways) {
        this.#touched = false;
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (this.#broken !== undefined) throw this.#broken.error;
      check(this.trace.events < eventsMax, "runs end", () => `${eventsMax} events`);
    }
    return true;
  }

  /** Everybody follows one leader and has applied all of its log, within a bounded time. */
  async #converge(when: string): Promise<void> {
    const { electionTimeoutMs } = this.plan.options.raft;
    const untilMs = this.queue.nowMs + 60 * electionTimeoutMs + 20_000;
    const converged = await this.#runUntil(() => this.#isAtRest(), untilMs);
    check(converged, "convergence", () => `${when}: ${this.#describe()}`);
  }

  #isAtRest(): boolean {
    if (this.#clients.some((client) => client.busy)) return false;
    const statuses = this.members.filter((member) => !member.lost).map((member) => member.status);
    // One whose disk rots may lead for as long as nobody comes across the damage.
    const leader = this.members.find(
      ({ status }) => status?.role === "leader" && !this.#isOutdated(status.term),
    )?.status;
    if (leader === undefined) return false;
    return statuses.every(
      (status) =>
        status !== undefined &&
        status.term === leader.term &&
        status.leaderId === leader.memberId &&
        status.appliedIndex === leader.lastIndex &&
        status.caughtUp,
    );
  }

  #isOutdated(term: number): boolean {
    return this.members.some(({ status, lost }) => !lost && status !== undefined && status.term > term);
  }

  /** A member serves a write and a linearizable read of it, at the latest when what broke before has been noticed. */
  async #probe(member: SimMember): Promise<void> {
    const timeoutMs = 8 * this.plan.options.raft.electionTimeoutMs;
    let answer = "no answer";
    for (let attempt = 1; answer !== "served" && attempt <= 4; attempt++) {
      // An orderly stop that began before may end only now.
      await this.#runUntil(() => member.replica !== undefined, this.queue.nowMs + 3 * timeoutMs);
      let answered = false;
      member.probe(attempt, timeoutMs, (what) => {
        answered = true;
        answer = what;
      });
      await this.#runUntil(() => answered, this.queue.nowMs + 3 * timeoutMs);
      // What is left from the faults, such as proposals that were overwritten, may hold its place until its deadline.
      if (answer !== "served") await this.#runUntil(() => false, this.queue.nowMs + timeoutMs);
    }
    check(answer === "served", "service after the faults", () => `${member.id}: ${answer}; ${this.#describe()}`);
  }

  /** The durable state is the same, byte for byte, once all rows are written. */
  async #compareStates(): Promise<void> {
    const members = this.members.filter((member) => !member.lost);
    await this.#runUntil(() => false, this.queue.nowMs + this.plan.options.waitingRowsMs + 3000);
    const [first, ...others] = members;
    if (first === undefined) return;
    const rows = first.disk.stateRows();
    for (const member of others) {
      const own = member.disk.stateRows();
      const differs = rows.findIndex(([key, value], at) => {
        const row = own[at];
        return row === undefined || Buffer.compare(row[0], key) !== 0 || Buffer.compare(row[1], value) !== 0;
      });
      check(
        own.length === rows.length && differs < 0,
        "equal states",
        () => `${first.id} has ${rows.length} rows, ${member.id} ${own.length}; the first that differs is ${differs}`,
      );
    }
  }

  #describe(): string {
    const members = this.members.map(({ id, status, damage, process }) => {
      if (damage !== undefined) return `${id} ${damage}`;
      if (status === undefined) return `${id} ${process === undefined ? "down" : "opening"}`;
      const { role, term, leaderId, lastIndex, commitIndex, appliedIndex, caughtUp } = status;
      return `${id} ${role} term ${term} of ${leaderId} last ${lastIndex} committed ${commitIndex} applied ${appliedIndex}${caughtUp ? "" : " behind"}`;
    });
    const busy = this.#clients.filter((client) => client.busy).length;
    return `${members.join("; ")}; ${busy} clients busy`;
  }
}
