import { type Configuration, type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import type { ConfigurationAt } from "../../src/raft/configuration-history.ts";
import type { ConfigurationEntry, Entry, Index, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import type { CoreMember } from "./core-network.ts";
import type { Coverage } from "./coverage.ts";
import { readImage } from "./durable-image.ts";
import { rule } from "./rule.ts";

/** Whether those of whom `holds` is true are a majority of each half; counted here, not by the code under test. */
export function isQuorum(configuration: Configuration, holds: (id: MemberId) => boolean): boolean {
  return [configuration.voters, configuration.outgoingVoters].every(
    (half) => half.length === 0 || 2 * half.filter(holds).length > half.length,
  );
}

/** A member's log as last looked at, with its configurations in order. */
interface SeenLog {
  readonly incarnation: number;
  readonly baseIndex: Index;
  readonly lastIndex: Index;
  readonly lastTerm: Term | undefined;
  /** In force before the first of the log. */
  readonly base: ConfigurationAt;
  /** Of the log. */
  readonly configurations: readonly ConfigurationEntry[];
}

/** A leader as last looked at. */
interface SeenLeader {
  readonly term: Term;
  readonly firstIndex: Index;
  readonly commitIndex: Index;
  readonly configurationIndex: Index;
}

/** Rules of membership (thesis, chapter 4), over the configurations that each member's log holds. */
export class ConfigurationChecks {
  readonly #coverage: Coverage;
  readonly #logs = new Map<MemberId, SeenLog>();
  readonly #leaders = new Map<MemberId, SeenLeader>();
  readonly #checked = new Set<Configuration>();
  /** Configurations known to be committed, by index. */
  readonly #committed = new Map<Index, Configuration>();
  /** The one that the cluster began with. */
  #first: Configuration = votersOnly([]);

  constructor(coverage: Coverage) {
    this.#coverage = coverage;
  }

  /** The configuration in force, computed from the log alone. */
  inForce(member: CoreMember, node: RaftNode): ConfigurationAt {
    const { base, configurations } = this.#lookAt(member, node);
    return configurations.at(-1) ?? base;
  }

  /** After each input; `committedIndex` is what anybody knows to be committed. */
  stepped(member: CoreMember, node: RaftNode, committedIndex: Index): void {
    const { base, configurations } = this.#lookAt(member, node);
    const expected = configurations.at(-1) ?? base;
    const { index, configuration } = node.configurationAt;
    rule(
      index === expected.index && configuration === expected.configuration,
      () => `${member.id} has the configuration of ${index} in force, its log that of ${expected.index}`,
    );
    const uncommitted = configurations.filter((entry) => entry.index > committedIndex);
    rule(uncommitted.length <= 1, () => `${member.id} has ${uncommitted.length} uncommitted configurations`);
    this.#noteCommitted(member, node, configurations);
    this.#checkSteps(base.configuration, configurations);
    const before = configurations.at(-2)?.configuration ?? base.configuration;
    if (node.role === "leader") this.#checkLeader(member, node, before);
    else this.#leaders.delete(member.id);
  }

  /** A snapshot brings the configuration that is committed where it stands, and no other. */
  installing({ id }: CoreMember, { index, configuration }: LogBase): void {
    const expected = this.#committedAt(index);
    rule(
      configuration.index === expected.index && configuration.configuration === expected.configuration,
      () => `the snapshot at ${index} for ${id} has the configuration of ${configuration.index}, not ${expected.index}`,
    );
  }

  #noteCommitted(member: CoreMember, node: RaftNode, configurations: readonly ConfigurationEntry[]): void {
    if (member.base.voters.length > 0) this.#first = member.base;
    for (const { index, configuration } of configurations) {
      if (index <= node.commitIndex) this.#committed.set(index, configuration);
    }
  }

  /** The newest configuration that is committed up to `index`. */
  #committedAt(index: Index): ConfigurationAt {
    let newest: ConfigurationAt = { index: 0, configuration: this.#first };
    for (const [at, configuration] of this.#committed) {
      if (at <= index && at > newest.index) newest = { index: at, configuration };
    }
    return newest;
  }

  #lookAt(member: CoreMember, node: RaftNode): SeenLog {
    const seen = this.#logs.get(member.id);
    const { incarnation } = member;
    const { lastIndex } = node;
    const lastTerm = node.termAt(lastIndex);
    const baseIndex = node.firstIndex - 1;
    const sameLife = seen?.incarnation === incarnation;
    const sameBase = sameLife && seen.baseIndex === baseIndex;
    if (sameBase && seen.lastIndex === lastIndex && seen.lastTerm === lastTerm) return seen;
    const grew =
      sameLife &&
      seen.lastIndex <= lastIndex &&
      seen.lastIndex >= baseIndex &&
      node.termAt(seen.lastIndex) === seen.lastTerm;
    const known = grew ? seen : { lastIndex: baseIndex, configurations: [] };
    const added = logAfter(member, node, known.lastIndex).filter((entry) => entry.kind === "configuration");
    const configurations = [...known.configurations, ...added].filter(({ index }) => index > baseIndex);
    const lost =
      sameLife && seen.configurations.find((entry) => entry.index > baseIndex && !configurations.includes(entry));
    if (lost) this.#coverage.saw("configurationTruncated");
    const base = baseIndex === 0 ? { index: 0, configuration: member.base } : this.#committedAt(baseIndex);
    const looked = { incarnation, baseIndex, lastIndex, lastTerm, base, configurations };
    this.#logs.set(member.id, looked);
    return looked;
  }

  #checkSteps(base: Configuration, configurations: readonly ConfigurationEntry[]): void {
    configurations.forEach(({ configuration }, position) => {
      if (this.#checked.has(configuration)) return;
      this.#checked.add(configuration);
      checkShape(configuration);
      // A member that came later does not know what was in force before the first change.
      const before = configurations[position - 1]?.configuration ?? base;
      if (before.voters.length > 0) this.#checkStep(before, configuration);
    });
  }

  #checkStep(before: Configuration, next: Configuration): void {
    if (before.outgoingVoters.length > 0) {
      this.#coverage.saw("jointLeft");
      rule(next.outgoingVoters.length === 0, "a joint configuration is followed by a plain one");
      rule(equal(before.voters, next.voters), "the voters after a joint configuration are its incoming ones");
      rule(
        equal([...before.learners, ...before.nextLearners].sort(), next.learners),
        "a joint configuration's learners stay when it is left",
      );
    } else if (next.outgoingVoters.length > 0) {
      this.#coverage.saw("jointEntered");
      rule(equal(before.voters, next.outgoingVoters), "the outgoing voters are those of before");
      if (next.voters.some((id) => before.learners.includes(id))) this.#coverage.saw("learnerPromoted");
      if (next.nextLearners.length > 0) this.#coverage.saw("voterDemoted");
    } else {
      rule(equal(before.voters, next.voters), "voters change through a joint configuration only");
      this.#coverage.saw("learnersChanged");
    }
  }

  #checkLeader({ id }: CoreMember, node: RaftNode, configurationBefore: Configuration): void {
    const before = this.#leaders.get(id);
    const { term, commitIndex, configuration } = node;
    const configurationIndex = node.configurationAt.index;
    const sameTerm = before?.term === term;
    if (sameTerm && configurationIndex > before.configurationIndex) {
      rule(before.commitIndex >= before.firstIndex, () => `${id} changes membership before it committed in its term`);
      rule(before.commitIndex >= before.configurationIndex, () => `${id} begins a change while another is under way`);
    }
    if (!isVoter(configuration, id)) this.#coverage.saw(sameTerm ? "leaderWithoutVote" : "electedWithoutVote");
    // Who loses its vote may still be needed to lead until that is committed (thesis, section 4.2.2).
    const mayBeElected =
      isVoter(configuration, id) || (commitIndex < configurationIndex && isVoter(configurationBefore, id));
    if (!sameTerm) rule(mayBeElected, () => `${id} was elected, who has no vote`);
    const firstIndex = sameTerm ? before.firstIndex : node.lastIndex;
    this.#leaders.set(id, { term, firstIndex, commitIndex, configurationIndex });
  }
}

function logAfter(member: CoreMember, node: RaftNode, index: Index): Entry[] {
  const durable = readImage(member.image, index + 1, node.durableIndex, Number.POSITIVE_INFINITY);
  const first = Math.max(index, node.durableIndex) + 1;
  const rest = first > node.lastIndex ? [] : node.entries(first, node.lastIndex, Number.POSITIVE_INFINITY);
  if (rest === undefined) throw new Error(`${member.id} has neither written nor kept entry ${first}`);
  return [...durable, ...rest];
}

function checkShape({ voters, outgoingVoters, learners, nextLearners, members }: Configuration): void {
  for (const list of [voters, outgoingVoters, learners, nextLearners, members.map(({ id }) => id)]) {
    rule(equal([...new Set(list)].sort(), list), () => `${list.join()} is ordered and without repeats`);
  }
  rule(voters.length > 0, "a configuration has voters");
  const plain = [...learners, ...nextLearners];
  rule(!plain.some((id) => voters.includes(id)), "nobody is voter and learner");
  rule(!learners.some((id) => outgoingVoters.includes(id)), "nobody votes as outgoing voter and learns");
  rule(
    nextLearners.every((id) => outgoingVoters.includes(id)),
    "who is a learner next votes until then",
  );
  const named = new Set([...voters, ...outgoingVoters, ...plain]);
  rule(named.size === members.length && members.every(({ id }) => named.has(id)), "members are those that are named");
}

function isVoter({ voters, outgoingVoters }: Configuration, id: MemberId): boolean {
  return voters.includes(id) || outgoingVoters.includes(id);
}

function equal(a: readonly MemberId[], b: readonly MemberId[]): boolean {
  return a.length === b.length && a.every((id, position) => id === b[position]);
}
