import { type Configuration, isJoint, isVoter, type MemberId } from "../../src/raft/configuration.ts";
import type { ConfigurationAt } from "../../src/raft/configuration-history.ts";
import type { Index, Term } from "../../src/raft/entry.ts";
import { check } from "./broken-rule.ts";
import type { Coverage } from "./coverage.ts";
import type { MemberView } from "./member-view.ts";

/** A leader as last looked at. */
interface SeenLeader {
  readonly term: Term;
  /** Its first entry of the term. */
  readonly firstIndex: Index;
  readonly configurationIndex: Index;
}

/** Rules of membership (thesis, chapter 4), over the configurations that the logs hold. */
export class MembershipRules {
  readonly #coverage: Coverage;
  /** The committed ones, oldest first. */
  readonly #committed: ConfigurationAt[];
  readonly #leaders = new Map<MemberId, SeenLeader>();
  /** Who was in a committed configuration and then in the next one no more. */
  readonly #gone = new Set<MemberId>();

  constructor(bootstrap: Configuration, coverage: Coverage) {
    this.#committed = [{ index: 0, configuration: bootstrap }];
    this.#coverage = coverage;
  }

  /** The newest that is committed. */
  get latest(): ConfigurationAt {
    const latest = this.#committed.at(-1);
    check(latest !== undefined, "a configuration is in force", () => "none is");
    return latest;
  }

  /** The committed one in force at an index. */
  committedAt(index: Index): ConfigurationAt {
    return this.#committed.findLast((committed) => committed.index <= index) ?? this.latest;
  }

  /** Whether anybody removed this member. */
  isGone(id: MemberId): boolean {
    return this.#gone.has(id);
  }

  /** An entry is committed that holds a configuration. */
  commits(index: Index, configuration: Configuration): void {
    const before = this.latest.configuration;
    checkShape(configuration);
    this.#checkStep(before, configuration);
    const ids = new Set(configuration.members.map(({ id }) => id));
    for (const { id } of before.members) {
      if (ids.has(id)) continue;
      this.#gone.add(id);
      if (this.#leaders.has(id)) this.#coverage.saw("leaderRemoved");
    }
    const back = [...ids].find((id) => this.#gone.has(id));
    check(back === undefined, "ids are not used again", () => `${back} was removed, and is in entry ${index}`);
    this.#committed.push({ index, configuration });
  }

  /**
   * A member gives its store what it has of the log, all of it: what is in force must be what that log holds, committed or
   * not. `logged` are its configurations, and `committedIndex` is what anybody knows to be committed.
   */
  handsOver(id: MemberId, status: MemberView, logged: readonly ConfigurationAt[], committedIndex: Index): void {
    const newest = logged.at(-1);
    const { configurationIndex, configuration } = status;
    check(
      newest?.index === configurationIndex && isEqual(newest.configuration, configuration),
      "the newest configuration of the log is in force",
      () => `${id} has that of ${configurationIndex} in force, its log ends with that of ${newest?.index}`,
    );
    const known = Math.max(committedIndex, status.commitIndex);
    const uncommitted = logged.filter(({ index }) => index > known);
    check(
      uncommitted.length <= 1,
      "one uncommitted configuration",
      () => `${id} has those of ${uncommitted.map(({ index }) => index).join()}; ${known} is committed`,
    );
  }

  /** A snapshot says which configuration is in force where it stands: the one of the committed log. */
  checkSnapshot(id: MemberId, index: Index, { index: configurationIndex, configuration }: ConfigurationAt): void {
    const due = this.committedAt(index);
    check(
      configurationIndex === due.index && isEqual(configuration, due.configuration),
      "snapshots have the configuration of their index",
      () =>
        `${id}'s at ${index} has that of ${configurationIndex}, ${describe(configuration)}; it is that of ${due.index}`,
    );
  }

  /** A member has done something. */
  acted(id: MemberId, before: MemberView | undefined, status: MemberView): void {
    if (before !== undefined && before.configurationIndex > status.configurationIndex) {
      this.#coverage.saw("configurationRolledBack");
    }
    const { term, commitIndex, configurationIndex, configuration } = status;
    if (status.role !== "leader") {
      this.#leaders.delete(id);
      return;
    }
    if (!isVoter(configuration, id)) this.#coverage.saw("leaderWithoutVote");
    const seen = this.#leaders.get(id);
    if (seen?.term !== term) {
      const firstIndex = before?.role === "candidate" ? before.lastIndex + 1 : status.lastIndex;
      this.#leaders.set(id, { term, firstIndex, configurationIndex });
      return;
    }
    if (configurationIndex === seen.configurationIndex) return;
    check(
      commitIndex >= seen.firstIndex,
      "no change before an own entry is committed",
      () => `${id} appends ${configurationIndex}; its term begins at ${seen.firstIndex}, ${commitIndex} is committed`,
    );
    check(
      commitIndex >= seen.configurationIndex,
      "one change at a time",
      () => `${id} appends ${configurationIndex} after ${seen.configurationIndex}, with ${commitIndex} committed`,
    );
    this.#leaders.set(id, { ...seen, configurationIndex });
  }

  #checkStep(before: Configuration, next: Configuration): void {
    const told = (): string => `${describe(before)} is followed by ${describe(next)}`;
    if (isJoint(before)) {
      const left = !isJoint(next) && sameIds(before.voters, next.voters);
      check(left, "a joint configuration is left for its incoming voters", told);
      this.#coverage.saw("jointLeft");
    } else if (isJoint(next)) {
      check(
        sameIds(before.voters, next.outgoingVoters),
        "a joint configuration begins with the voters of before",
        told,
      );
      this.#coverage.saw("jointEntered");
      if (next.voters.some((id) => before.learners.includes(id))) this.#coverage.saw("learnerPromoted");
    } else {
      check(sameIds(before.voters, next.voters), "voters change through a joint configuration only", told);
      this.#coverage.saw("learnersChanged");
    }
  }
}

/** Whether those of whom `holds` is true are a majority of each half; counted here, not by the code under test. */
export function isQuorum({ voters, outgoingVoters }: Configuration, holds: (id: MemberId) => boolean): boolean {
  return [voters, outgoingVoters].every((half) => half.length === 0 || 2 * half.filter(holds).length > half.length);
}

/** Learners that are to become voters by themselves. */
export function impatientLearners({ learners, members }: Configuration): MemberId[] {
  return learners.filter((id) => members.find((member) => member.id === id)?.keepLearner !== true);
}

/** Voters, outgoing voters and learners on one line. */
export function describe({ voters, outgoingVoters, learners }: Configuration): string {
  return `{${voters.join("")}${outgoingVoters.length > 0 ? ` from ${outgoingVoters.join("")}` : ""}${learners.length > 0 ? ` learning ${learners.join("")}` : ""}}`;
}

function checkShape({ voters, outgoingVoters, learners, nextLearners, members }: Configuration): void {
  check(voters.length > 0, "a configuration has voters", () => "it has none");
  const both = learners.find((id) => voters.includes(id) || outgoingVoters.includes(id));
  check(both === undefined, "nobody votes and learns", () => `${both} does`);
  const named = [...new Set([...voters, ...outgoingVoters, ...learners, ...nextLearners])].sort();
  const listed = members.map(({ id }) => id);
  check(sameIds(named, listed), "the members are those that are named", () => `${named.join()}, not ${listed.join()}`);
}

/** Whether two configurations are the same in all that counts. */
function isEqual(a: Configuration, b: Configuration): boolean {
  if (a === b) return true;
  const lists = ["voters", "outgoingVoters", "learners", "nextLearners"] as const;
  return lists.every((list) => sameIds(a[list], b[list]));
}

function sameIds(a: readonly MemberId[], b: readonly MemberId[]): boolean {
  return a.length === b.length && a.every((id, position) => id === b[position]);
}
