import { type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import type { Message } from "../../src/raft/message.ts";
import { defaultRaftOptions, type RaftOptions } from "../../src/raft/options.ts";
import { type Random, seededRandom } from "../../src/raft/random.ts";
import { CoreChecker } from "./core-checker.ts";
import { type CoreMember, CoreNetwork } from "./core-network.ts";
import { draw } from "./core-run.ts";
import { Coverage } from "./coverage.ts";

const electionTimeoutMs = 100;

/** What the runs came to, over all seeds. */
export class LeaseTally {
  /** Reads that a lease confirmed, and that a round did. */
  leased = 0;
  byRound = 0;
  /** Leaders that came after the first of a run. */
  newLeaders = 0;
  /** Leased reads at a member that others could not reach. */
  leasedWhileCut = 0;
}

/**
 * One random run that looks for old data under leases: every member that thinks that it leads is read all the time, something
 * is committed all the time, clocks run apart as far as they may, and what could make a lease outlive its leader is done to it.
 */
export class LeaseRun {
  readonly #random: Random;
  readonly #network: CoreNetwork;
  readonly #checker: CoreChecker;
  readonly #tally: LeaseTally;
  #contexts = 0;
  #cutOff: CoreMember | null = null;
  /** Nothing is proposed. */
  #quiet = false;
  readonly #acts: readonly ((leader: CoreMember) => void)[] = [
    (leader) => this.#isolate(leader),
    (leader) => this.#starve(leader, () => this.#isolate(leader)),
    (leader) => this.#starve(leader, () => this.#isolate(leader)),
    (leader) => this.#answersLate(leader),
    (leader) => this.#starve(leader, () => this.#answersLate(leader)),
    (leader) => this.#network.pause(leader, electionTimeoutMs * (0.2 + 2 * this.#random())),
    (leader) => this.#handOver(leader),
    (leader) => this.#handOverLate(leader),
    (leader) => this.#starve(leader, (starved) => this.#restartOthers(leader, starved)),
    (leader) => this.#starve(leader, (starved) => this.#restartOthers(leader, starved)),
  ];

  constructor(seed: number, tally: LeaseTally) {
    this.#tally = tally;
    this.#random = seededRandom(seed * 4 + 2);
    const ids = "abcde".slice(0, draw(this.#random, 0, 2) === 0 ? 5 : 3).split("");
    const clockDriftMax = [0, 0.25, 0.25, 0.5][draw(this.#random, 0, 3)] ?? 0;
    const raft: RaftOptions = {
      ...defaultRaftOptions,
      electionTimeoutMs,
      heartbeatIntervalMs: draw(this.#random, 5, 20),
      lease: { clockDriftMax },
    };
    // Clocks are right, or as wrong as they may be.
    const rates = new Map(ids.map((id) => [id, this.#random() < 0.5 ? 1 : 1 - clockDriftMax]));
    // Settings that belong on every member are not always there: that costs the lease, and nothing else.
    const odd = new Map(ids.map((id) => [id, this.#random() < 0.1 ? this.#drawOddity(raft) : {}]));
    const tickMs = { min: 1, max: draw(this.#random, 2, 5) };
    const delayMs = { min: 0, max: draw(this.#random, 1, 6) };
    const none = { min: 0, max: 0 };
    const rareFaults = { slowRate: 0, slowMs: none, dropRate: 0.01, duplicateRate: 0.05, gatherRate: 0.1 };
    this.#checker = new CoreChecker(raft, tickMs.max, new Coverage());
    this.#network = new CoreNetwork({
      configuration: votersOnly(ids.map((id) => ({ id, name: id, peerAddress: id }))),
      raft,
      seed,
      tickMs,
      conditions: {
        ...rareFaults,
        delayMs,
        writeMs: { min: 0, max: 3 },
        applyMs: none,
        logReadMs: none,
        transferMs: none,
        installMs: none,
      },
      observer: this.#checker,
      clockRate: (id) => rates.get(id) ?? 1,
      differs: (id) => odd.get(id) ?? {},
    });
    this.#checker.members = this.#network.members;
    // As the slowest clock sees it.
    this.#checker.transfers.now = () => this.#network.queue.nowMs * (1 - clockDriftMax);
  }

  #drawOddity({ heartbeatIntervalMs }: RaftOptions): Partial<RaftOptions> {
    return this.#random() < 0.5 ? { lease: null } : { electionTimeoutMs: 3 * heartbeatIntervalMs };
  }

  /** Runs to the end; throws at the first broken rule. */
  run(): void {
    const queue = this.#network.queue;
    for (let actAtMs = 3 * electionTimeoutMs; queue.nowMs < 30 * electionTimeoutMs; ) {
      this.#network.run(2);
      for (const member of this.#network.members) this.#load(member);
      const leader = this.#network.members.find(({ node }) => node?.hasCommittedInTerm === true);
      if (queue.nowMs < actAtMs || leader === undefined) continue;
      this.#heal();
      const act = this.#acts[draw(this.#random, 0, this.#acts.length - 1)];
      act?.(leader);
      actAtMs = queue.nowMs + electionTimeoutMs * (4 + 2 * this.#random());
    }
    this.#count();
  }

  #load(member: CoreMember): void {
    const { node } = member;
    const runs = node !== null && member.pausedUntilMs <= this.#network.queue.nowMs;
    if (!runs || (node.role !== "leader" && this.#random() < 0.9)) return;
    const context = ++this.#contexts;
    this.#checker.readBegins(context, member.id);
    const leasedBefore = node.readCounts.byLease;
    this.#network.input(member, () => node.readIndex(context, this.#network.clock(member)));
    if (member === this.#cutOff && node.readCounts.byLease > leasedBefore) this.#tally.leasedWhileCut++;
    if (node.role === "leader" && !this.#quiet && this.#random() < 0.2) {
      this.#network.input(member, () => node.propose([Uint8Array.of(1)], 0));
    }
  }

  #isolate(leader: CoreMember): void {
    // With a follower that still hears it, now and then: a minority of five.
    const others = this.#network.members.filter((member) => member !== leader);
    const buddy = others.length > 2 && this.#random() < 0.5 ? others[draw(this.#random, 0, others.length - 1)] : leader;
    const inside = new Set([leader.id, buddy?.id]);
    this.#network.isCut = (from, to) => inside.has(from) !== inside.has(to);
    this.#cutOff = leader;
  }

  /** Answers to the leader travel for long, and then it is cut off. */
  #answersLate(leader: CoreMember): void {
    const lateMs = electionTimeoutMs * 0.7 * this.#random();
    this.#network.holdUp = ({ to }) => (to === leader.id ? lateMs : 0);
    this.#network.queue.after(electionTimeoutMs, () => {
      // What is under way to it still arrives.
      this.#network.isCut = (from) => from === leader.id;
      this.#cutOff = leader;
    });
  }

  /** The target takes over while the leader hears nothing of it. */
  #handOver(leader: CoreMember): void {
    this.#network.input(leader, (node) => node.transferLeadership(null));
    this.#network.isCut = (_from, to) => to === leader.id;
    this.#cutOff = leader;
  }

  /** The request to campaign at once arrives when the leader has long given the transfer up, and leads on. */
  #handOverLate(leader: CoreMember): void {
    const lateMs = electionTimeoutMs * (1 + 2 * this.#random());
    const isRequest = ({ type }: Message): boolean => type === "TimeoutNowRequest";
    this.#network.holdUp = (message) => (isRequest(message) ? lateMs : 0);
    this.#network.input(leader, (node) => node.transferLeadership(null));
    this.#network.queue.after(lateMs, () => {
      this.#network.isCut = (from, to) => to === leader.id && from !== leader.id;
      this.#cutOff = leader;
    });
  }

  /**
   * Half of the others do not hear the leader for a while, nor miss an entry: they ask for votes again and again, and whoever
   * votes too early elects one of them. Then `act` follows.
   */
  #starve(leader: CoreMember, act: (starved: readonly CoreMember[]) => void): void {
    const others = this.#network.members.filter((member) => member !== leader);
    const starved = others.slice(0, others.length / 2);
    const isStarved = (id: MemberId): boolean => starved.some((member) => member.id === id);
    this.#quiet = true;
    this.#network.isCut = (from, to) => (from === leader.id && isStarved(to)) || (isStarved(from) && to === leader.id);
    this.#network.queue.after(electionTimeoutMs * (1 + this.#random()), () => {
      this.#quiet = false;
      act(starved);
    });
  }

  /** The others forget whom they heard, when they cannot hear it any more; those that have long not heard it do not. */
  #restartOthers(leader: CoreMember, starved: readonly CoreMember[]): void {
    this.#isolate(leader);
    for (const member of this.#network.members) {
      if (member === leader || starved.includes(member)) continue;
      this.#network.crash(member);
      this.#network.queue.after(2 * this.#random(), () => this.#network.start(member));
    }
  }

  #heal(): void {
    this.#network.isCut = () => false;
    this.#network.holdUp = () => 0;
    this.#cutOff = null;
  }

  #count(): void {
    this.#tally.newLeaders += this.#checker.coverage.count("leaderElected") - 1;
    for (const { node } of this.#network.members) {
      this.#tally.leased += node?.readCounts.byLease ?? 0;
      this.#tally.byRound += node?.readCounts.byRound ?? 0;
    }
  }
}
