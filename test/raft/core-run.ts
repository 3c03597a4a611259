import { type Configuration, votersOnly } from "../../src/raft/configuration.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { type Random, seededRandom } from "../../src/raft/random.ts";
import { CoreChecker } from "./core-checker.ts";
import { type Conditions, type CoreMember, CoreNetwork, calm } from "./core-network.ts";
import type { Coverage } from "./coverage.ts";
import { impatientLearners, MembershipNemesis } from "./membership-nemesis.ts";
import { Nemesis } from "./nemesis.ts";
import { rule } from "./rule.ts";
import { compactableIndex } from "./snapshot-carrier.ts";

/** Clocks run this much slower than right at most. */
const clockDriftMax = 0.1;

const proposalRefusals = {
  NOT_LEADER: "proposalNotLeader",
  OVERLOADED: "proposalOverloaded",
  TRANSFER_IN_PROGRESS: "proposalDuringTransfer",
} as const;

/** As a product, whose last digit does not depend on who computes it; that of a power may. */
const square = (share: number): number => share * share;

/** Whole number from `min` to `max`, both included. */
export function draw(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

function drawConfiguration(random: Random, coverage: Coverage): Configuration {
  const count = draw(random, 1, 7);
  const all = votersOnly(
    "abcdefg"
      .slice(0, count)
      .split("")
      .map((id) => ({ id, name: id, peerAddress: id })),
  );
  const kind = random();
  const some = all.voters.filter(() => random() < 0.6);
  if (kind < 0.15 && some.length > 0 && some.length < count) {
    coverage.saw("learner");
    const members = all.members.map((member) => (random() < 0.5 ? { ...member, keepLearner: true } : member));
    return { ...all, members, voters: some, learners: all.voters.filter((id) => !some.includes(id)) };
  }
  if (kind < 0.3 && some.length > 0) {
    const outgoing = all.voters.filter((id) => !some.includes(id) || random() < 0.5);
    return { ...all, voters: some, outgoingVoters: outgoing };
  }
  if (count === 1) coverage.saw("singleVoter");
  return all;
}

/** `hasty`: timeouts hardly longer than messages take, so that leaders change all the time. */
function drawOptions(random: Random, hasty: boolean): RaftOptions {
  const roomy = random() < 0.3;
  return {
    electionTimeoutMs: hasty ? 30 : 100,
    heartbeatIntervalMs: hasty ? draw(random, 3, 8) : draw(random, 8, 25),
    appendBytesMax: roomy ? 4096 : draw(random, 1, 300),
    inflight: roomy ? { messages: 64, bytes: 8192 } : { messages: draw(random, 1, 5), bytes: draw(random, 1, 700) },
    uncommittedBytesMax: roomy ? 16_384 : draw(random, 1, 3000),
    unappliedEntriesMax: roomy ? 1000 : draw(random, 8, 30),
    pendingReadsMax: draw(random, 1, 20),
    promotionLagMax: 2,
    lease: random() < 0.4 ? { clockDriftMax } : null,
    tailBytesMax: random() < 0.5 ? 0 : draw(random, 0, 800),
  };
}

function drawConditions(random: Random): Conditions {
  const off = (share: number, value: number): number => (random() < share ? 0 : value);
  return {
    delayMs: { min: 0, max: draw(random, 1, 20) },
    slowRate: off(0.3, random() * 0.1),
    slowMs: { min: 20, max: 400 },
    dropRate: off(0.4, random() * 0.2),
    duplicateRate: off(0.4, random() * 0.2),
    writeMs: { min: 0, max: draw(random, 1, random() < 0.2 ? 80 : 15) },
    applyMs: { min: 0, max: draw(random, 0, 10) },
    logReadMs: { min: 0, max: draw(random, 0, 20) },
    transferMs: { min: 0, max: draw(random, 1, random() < 0.4 ? 400 : 50) },
    installMs: { min: 0, max: draw(random, 0, random() < 0.3 ? 200 : 20) },
    gatherRate: random() * 0.6,
  };
}

/** One random run: faults and load for a while, then none, and everything must come to rest. */
export class CoreRun {
  readonly random: Random;
  readonly network: CoreNetwork;
  readonly checker: CoreChecker;
  readonly #coverage: Coverage;
  readonly #membership: MembershipNemesis;
  readonly #hasty: boolean;
  readonly #electionTimeoutMs: number;
  #commands = 0;
  #reads = 0;

  constructor(seed: number, coverage: Coverage) {
    this.random = seededRandom(seed * 4);
    this.#coverage = coverage;
    const configuration = drawConfiguration(this.random, coverage);
    this.#hasty = this.random() < 0.4;
    const raft = drawOptions(this.random, this.#hasty);
    this.#electionTimeoutMs = raft.electionTimeoutMs;
    const tickMs = { min: 2, max: draw(this.random, 3, this.#hasty ? 5 : 12) };
    const drift = this.random() < 0.5 ? clockDriftMax : 0;
    const rates = new Map(configuration.members.map(({ id }) => [id, 1 - drift * this.random()]));
    this.checker = new CoreChecker(raft, tickMs.max, coverage);
    this.network = new CoreNetwork({
      configuration,
      raft,
      seed,
      tickMs,
      conditions: drawConditions(this.random),
      observer: this.checker,
      clockRate: (id) => rates.get(id) ?? 1,
    });
    this.checker.members = this.network.members;
    // As the slowest clock sees it.
    this.checker.transfers.now = () => this.network.queue.nowMs * (1 - clockDriftMax);
    const changeEveryMs = draw(this.random, 15, 400);
    this.#membership = new MembershipNemesis(this.network, this.#fork(), coverage, changeEveryMs);
  }

  /** Runs to the end; throws at the first broken rule. */
  run(): void {
    const { network } = this;
    const strikeEveryMs = this.#hasty ? draw(this.random, 10, 60) : draw(this.random, 20, 220);
    const nemesis = new Nemesis(network, this.#fork(), this.#coverage, strikeEveryMs);
    network.onSnapshot = (member) => nemesis.disturb(member);
    // Some runs leave the membership alone, so that the rest gets its share of the time.
    const changes = this.random() < 0.75;
    const untilMs = network.queue.nowMs + 2000;
    const loadEveryMs = draw(this.random, 2, 40);
    // Some runs keep the whole log.
    const compactRate = this.random() < 0.7 ? square(this.random()) : 0;
    // Where only leaders compact, the next one can often do without a snapshot that was asked of the one before.
    const leadersOnly = this.random() < 0.5;
    while (network.queue.nowMs < untilMs) {
      network.run(loadEveryMs);
      this.#load();
      nemesis.maybeStrike();
      if (this.random() < compactRate) this.#compact(leadersOnly);
      if (changes) this.#membership.maybeChange();
    }
    nemesis.end();
    network.conditions = calm;
    this.#comeToRest();
    this.#grow();
    this.#handOver();
  }

  #fork(): Random {
    return seededRandom(draw(this.random, 1, 2 ** 30));
  }

  #load(): void {
    const member = this.network.members[draw(this.random, 0, this.network.members.length - 1)];
    if (member === undefined) return;
    // Mostly where it does something; elsewhere too, since anybody may be asked.
    const leader = this.network.members.find(({ node }) => node?.role === "leader");
    const target = this.random() < 0.6 ? (leader ?? member) : member;
    if (this.random() < 0.7) this.#propose(target);
    if (this.random() < 0.5) this.#read(this.random() < 0.5 ? target : member);
  }

  #compact(leadersOnly: boolean): void {
    const { members } = this.network;
    const leader = members.find(({ node }) => node?.role === "leader");
    const member = leadersOnly || this.random() < 0.5 ? leader : members[draw(this.random, 0, members.length - 1)];
    if (member?.node == null) return;
    const base = member.node.firstIndex - 1;
    const last = compactableIndex(member);
    // To the very end, or some way there.
    if (last >= base) this.network.compact(member, this.random() < 0.5 ? last : draw(this.random, base, last));
  }

  #propose(member: CoreMember): boolean {
    const commands = Array.from({ length: draw(this.random, 1, 4) }, () => {
      const command = new Uint8Array(draw(this.random, 4, 90));
      new DataView(command.buffer).setUint32(0, ++this.#commands);
      return command;
    });
    const result = this.network.input(member, (node) => node.propose(commands, this.network.queue.nowMs));
    if (result?.type === "refused") {
      this.#coverage.saw(proposalRefusals[result.reason]);
    }
    return result?.type === "appended";
  }

  #read(member: CoreMember): void {
    if (member.node === null) return;
    const context = ++this.#reads;
    this.checker.readBegins(context, member.id);
    this.network.input(member, (node) => node.readIndex(context, this.network.clock(member)));
  }

  #comeToRest(): void {
    const { network } = this;
    // Late messages arrive, and pauses end.
    network.run(500);
    // One election timeout until an election, two until it is held; a few split votes; then the backlog.
    this.#restWithin(60, "after the faults");
    const leader = this.#leader();
    rule(leader !== undefined && this.#propose(leader), "the leader takes a proposal when all is calm");
    for (const member of network.members) this.#read(member);
    this.#restWithin(10, "after a proposal");
    const lastTerm = leader.node?.term;
    network.run(10 * this.#electionTimeoutMs);
    rule(
      leader.node?.term === lastTerm && this.#atRest(),
      () => `a calm cluster keeps its leader: ${this.#describe()}`,
    );
  }

  /** In a calm cluster a new learner catches up, and is promoted unless it is kept. */
  #grow(): void {
    const leader = this.#leader();
    if (leader !== undefined && this.#membership.addLearner(leader)) this.#restWithin(80, "after a learner came");
  }

  /** In a calm cluster a transfer takes less than an election timeout, and proposals flow at the next leader. */
  #handOver(): void {
    const { network } = this;
    const old = this.#leader();
    const voters = old?.node?.configuration.voters.filter((id) => id !== old.id) ?? [];
    const target = network.members.find(({ id }) => id === voters[draw(this.random, 0, voters.length - 1)]);
    if (old === undefined || target === undefined) return;
    network.input(old, (node) => node.transferLeadership(target.id));
    if (this.random() < 0.3) this.#propose(old);
    const leads = (): boolean => target.node?.role === "leader" && target.node.hasCommittedInTerm;
    rule(network.runUntil(leads, this.#electionTimeoutMs), () => `${target.id} takes over: ${this.#describe()}`);
    rule(this.#propose(target), "the next leader takes a proposal");
    this.#restWithin(10, "after a transfer");
  }

  #restWithin(electionTimeouts: number, when: string): void {
    // With the smallest window each entry takes a round trip, and two writes.
    const catchUpMs = 8 * Math.max(...this.network.members.map(({ node }) => node?.lastIndex ?? 0));
    rule(
      this.network.runUntil(() => this.#atRest(), electionTimeouts * this.#electionTimeoutMs + catchUpMs),
      () => `no rest ${when}: ${this.#describe()}`,
    );
  }

  #leader(): CoreMember | undefined {
    const leaders = this.network.members.filter(({ node }) => node?.role === "leader");
    return leaders.sort((a, b) => (b.node?.term ?? 0) - (a.node?.term ?? 0))[0];
  }

  /** One leader whom all follow, no change under way, everything committed and applied everywhere, no read open. */
  #atRest(): boolean {
    const leader = this.#leader()?.node;
    if (!leader?.hasCommittedInTerm || leader.uncommittedBytes !== 0 || this.checker.readsOpen > 0) return false;
    const { index, configuration } = leader.configurationAt;
    if (index > leader.commitIndex || configuration.outgoingVoters.length > 0) return false;
    if (!leader.isVoter || impatientLearners(leader).length > 0) return false;
    if (configuration.learners.length > 0) this.#coverage.saw("learnerKept");
    const belongs = ({ id }: CoreMember): boolean => configuration.members.some((member) => member.id === id);
    if (!this.network.members.every(belongs)) this.#coverage.saw("removedMemberLingers");
    return this.network.members
      .filter(belongs)
      .every(
        ({ node }) =>
          node?.leaderId === leader.id && node.term === leader.term && node.appliedIndex === leader.lastIndex,
      );
  }

  #describe(): string {
    const nodes = this.network.members.map(({ id, node }) => (node ? `${id}: ${describeNode(node)}` : `${id} down`));
    return `${nodes.join("; ")}; ${this.checker.readsOpen} reads open`;
  }
}

function describeNode({ role, term, lastIndex, appliedIndex, configurationAt }: RaftNode): string {
  const { index, configuration } = configurationAt;
  const { voters, outgoingVoters, learners } = configuration;
  const halves = outgoingVoters.length > 0 ? `${voters.join("")}+${outgoingVoters.join("")}` : voters.join("");
  return `${role} term ${term} last ${lastIndex} applied ${appliedIndex} since ${index} ${halves}/${learners.join("")}`;
}
