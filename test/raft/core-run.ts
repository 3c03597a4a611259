import { type Configuration, votersOnly } from "../../src/raft/configuration.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import { type Random, seededRandom } from "../../src/raft/random.ts";
import { CoreChecker } from "./core-checker.ts";
import { type Conditions, type CoreMember, CoreNetwork, calm } from "./core-network.ts";
import type { Coverage } from "./coverage.ts";
import { Nemesis } from "./nemesis.ts";
import { rule } from "./rule.ts";

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
    return { ...all, voters: some, learners: all.voters.filter((id) => !some.includes(id)) };
  }
  if (kind < 0.3 && some.length > 0) {
    coverage.saw("jointQuorum");
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
    pendingReadsMax: draw(random, 1, 20),
    promotionLagMax: 2,
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
    gatherRate: random() * 0.6,
  };
}

/** One random run: faults and load for a while, then none, and everything must come to rest. */
export class CoreRun {
  readonly random: Random;
  readonly network: CoreNetwork;
  readonly checker: CoreChecker;
  readonly #coverage: Coverage;
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
    this.checker = new CoreChecker(configuration, raft, coverage);
    this.network = new CoreNetwork({
      configuration,
      raft,
      seed,
      tickMs: { min: 2, max: draw(this.random, 3, this.#hasty ? 5 : 12) },
      conditions: drawConditions(this.random),
      observer: this.checker,
    });
    this.checker.members = this.network.members;
  }

  /** Runs to the end; throws at the first broken rule. */
  run(): void {
    const { network } = this;
    const strikeEveryMs = this.#hasty ? draw(this.random, 10, 60) : draw(this.random, 20, 220);
    const nemesis = new Nemesis(network, seededRandom(draw(this.random, 1, 2 ** 30)), this.#coverage, strikeEveryMs);
    const untilMs = network.queue.nowMs + 2000;
    const loadEveryMs = draw(this.random, 2, 40);
    while (network.queue.nowMs < untilMs) {
      network.run(loadEveryMs);
      this.#load();
      nemesis.maybeStrike();
    }
    nemesis.end();
    network.conditions = calm;
    this.#comeToRest();
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

  #propose(member: CoreMember): boolean {
    const commands = Array.from({ length: draw(this.random, 1, 4) }, () => {
      const command = new Uint8Array(draw(this.random, 4, 90));
      new DataView(command.buffer).setUint32(0, ++this.#commands);
      return command;
    });
    const result = this.network.input(member, (node) => node.propose(commands, this.network.queue.nowMs));
    if (result?.type === "refused") {
      this.#coverage.saw(result.reason === "OVERLOADED" ? "proposalOverloaded" : "proposalNotLeader");
    }
    return result?.type === "appended";
  }

  #read(member: CoreMember): void {
    if (member.node === null) return;
    const context = ++this.#reads;
    this.checker.readBegins(context, member.id);
    this.network.input(member, (node) => node.readIndex(context));
  }

  #comeToRest(): void {
    const { network } = this;
    // Late messages arrive, and pauses end.
    network.run(500);
    // One election timeout until an election, two until it is held; a few split votes; then the backlog.
    rule(
      network.runUntil(() => this.#atRest(), 60 * this.#electionTimeoutMs),
      () => `no rest: ${this.#describe()}`,
    );
    const leader = network.members.find(({ node }) => node?.role === "leader");
    rule(leader !== undefined && this.#propose(leader), "the leader takes a proposal when all is calm");
    for (const member of network.members) this.#read(member);
    rule(
      network.runUntil(() => this.#atRest(), 10 * this.#electionTimeoutMs),
      () => `no rest after a proposal: ${this.#describe()}`,
    );
    const lastTerm = leader.node?.term;
    network.run(10 * this.#electionTimeoutMs);
    rule(
      leader.node?.term === lastTerm && this.#atRest(),
      () => `a calm cluster keeps its leader: ${this.#describe()}`,
    );
  }

  /** One leader whom all follow, everything committed and applied everywhere, no read open. */
  #atRest(): boolean {
    const nodes = this.network.members.map(({ node }) => node);
    const leader = nodes.find((node) => node?.role === "leader");
    if (!leader?.hasCommittedInTerm || leader.uncommittedBytes !== 0 || this.checker.readsOpen > 0) return false;
    return nodes.every(
      (node) => node?.leaderId === leader.id && node.term === leader.term && node.appliedIndex === leader.lastIndex,
    );
  }

  #describe(): string {
    const nodes = this.network.members.map(({ id, node }) =>
      node ? `${id}: ${node.role} term ${node.term} last ${node.lastIndex} applied ${node.appliedIndex}` : `${id} down`,
    );
    return `${nodes.join("; ")}; ${this.checker.readsOpen} reads open`;
  }
}
