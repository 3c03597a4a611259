import type { Configuration, MemberId } from "../../src/raft/configuration.ts";
import type { ChangeOutcome, TransferOutcome } from "../../src/replica/administration.ts";
import { applyEdit, type MembershipEdit } from "../../src/replica/membership-edit.ts";
import type { Replica } from "../../src/replica/replica.ts";
import { check } from "./broken-rule.ts";
import type { Dice } from "./dice.ts";
import { addedBy, describeEdit, isCarriedOut, removedBy } from "./membership-edits.ts";
import { impatientLearners, isQuorum, type MembershipRules } from "./membership-rules.ts";
import { Newcomers } from "./newcomers.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** How often a change that was refused is asked for again. */
const attemptsMax = 6;

/** What an operator works with. */
export interface OperatorSurroundings {
  readonly world: World;
  /** All there ever were; {@link OperatorSurroundings.makeMember} adds to it. */
  readonly members: readonly SimMember[];
  readonly makeMember: () => SimMember;
  readonly membership: MembershipRules;
}

/** Who leads at the moment, as far as anybody can tell. */
export type FindLeader = () => SimMember | undefined;

/** What an operator may be asked to change. */
export type ChangeKind = "addMember" | "addLearner" | "promote" | "removeMember" | "removeLeader" | "replace";

/** A configuration that a change may lead to, until it is known whether it did. */
interface Pending {
  readonly voters: readonly MemberId[];
  readonly untilMs: number;
}

/**
 * Changes who belongs to the cluster and who leads it, through the members' own administration. New members start with an
 * empty disk; those that were removed are stopped, or run on and believe what they believe.
 */
export class Operator {
  readonly #surroundings: OperatorSurroundings;
  readonly #world: World;
  #pending: Pending[] = [];
  #over = false;
  readonly #newcomers: Newcomers;

  constructor(surroundings: OperatorSurroundings) {
    this.#surroundings = surroundings;
    this.#world = surroundings.world;
    this.#newcomers = new Newcomers(surroundings.members, surroundings.makeMember);
  }

  /**
   * Whether every configuration that is or may come to be in force keeps a majority of members that are well if `victims`
   * are not. Learners that are not well count as voters: they may have been promoted meanwhile.
   */
  isSurvivable(victims: readonly SimMember[]): boolean {
    const { members, membership } = this.#surroundings;
    const { nowMs } = this.#world.queue;
    this.#pending = this.#pending.filter(({ untilMs }) => untilMs > nowMs);
    const { latest } = membership;
    const seen = members.flatMap(({ loggedConfiguration: logged, status }) => [
      ...(logged.index > latest.index ? [logged.configuration] : []),
      ...(status !== undefined && status.configurationIndex > latest.index ? [status.configuration] : []),
    ]);
    const isWell = (id: MemberId): boolean => {
      const member = members.find((each) => each.id === id);
      return member !== undefined && !member.lost && !member.retired && !victims.includes(member);
    };
    return [latest.configuration, ...seen, ...this.#pending.map(({ voters }) => ({ ...nobodyElse, voters }))].every(
      (configuration) => isQuorum(withIllLearners(configuration, isWell), isWell),
    );
  }

  /** Nothing is asked for any more, but what {@link replaceLost} asks for. */
  end(): void {
    this.#over = true;
  }

  /** Asks a member, most often the leader, for a change; several times if it is refused. */
  change(kind: ChangeKind, dice: Dice, findLeader: FindLeader, attempts = attemptsMax): void {
    const asked = this.#choose(dice, findLeader);
    this.#reach(asked, dice, (replica, answer) => {
      const edit = this.#over ? undefined : this.#draw(kind, replica, dice);
      if (edit === undefined) return;
      if (!this.#allows(edit, replica)) {
        this.#newcomers.giveBack(addedBy(edit));
        return;
      }
      this.#world.trace.note("op", () => `asks ${asked.id}: ${describeEdit(edit)}`);
      const { configurationIndex } = replica.status();
      const expectedIndex = dice.chance(0.1) ? configurationIndex + 1 : dice.chance(0.5) ? configurationIndex : null;
      const deadlineMs = replica.now() + dice.real(2, 20) * this.#unitMs;
      replica.changeMembership(edit, { deadlineMs, expectedIndex }, (outcome) =>
        answer(() =>
          this.#ended(edit, outcome, dice, () => this.change(kind, dice, findLeader, attempts - 1), attempts),
        ),
      );
    });
  }

  /** Asks for leadership to be handed over, to the best or, most often, to the member that is given back. */
  transfer(dice: Dice, findLeader: FindLeader): SimMember | undefined {
    const { members, membership } = this.#surroundings;
    const asked = this.#choose(dice, findLeader);
    const { voters } = membership.latest.configuration;
    const able = members.filter(({ id, retired }) => voters.includes(id) && !retired);
    const chosen = dice.chance(0.2) ? undefined : dice.pick(dice.chance(0.2) || able.length === 0 ? members : able);
    const target = chosen?.id ?? null;
    this.#reach(asked, dice, (replica, answer) => {
      if (this.#over) return;
      const { term } = replica.status();
      this.#world.trace.note("op", () => `asks ${asked.id}: transfer to ${target ?? "the best"}`);
      replica.transferLeadership(target, replica.now() + dice.real(1, 4) * this.#unitMs, (outcome) =>
        answer(() => this.#transferred(outcome, term, asked)),
      );
    });
    return chosen;
  }

  /** Asks a member to compact its log. */
  compact(dice: Dice, asked: SimMember): void {
    this.#reach(asked, dice, (replica) => {
      const trailingEntries = dice.chance(0.7) ? dice.whole(0, 3) : null;
      const deadlineMs = replica.now() + dice.real(0.5, 4) * this.#unitMs;
      replica.compact({ trailingEntries, deadlineMs }, ({ type }) => {
        if (type === "compacted") this.#world.coverage.saw("compactedOnRequest");
      });
    });
  }

  /** Puts a new member in the place of one whose data is lost; to be repeated until it is done. */
  replaceLost(lost: SimMember, leader: SimMember, dice: Dice, done: () => void): void {
    this.#reach(leader, dice, (replica, answer) => {
      const { configuration } = replica.status();
      const known = configuration.members.some(({ id }) => id === lost.id);
      const edit = known ? this.#replacement(lost.id, dice, true) : undefined;
      if (edit === undefined) return;
      const deadlineMs = replica.now() + 20 * this.#unitMs;
      replica.changeMembership(edit, { deadlineMs, expectedIndex: null }, (outcome) =>
        answer(() => {
          this.#ended(edit, outcome, dice, () => {}, 0);
          done();
        }),
      );
    });
  }

  /** What was refused must not have been done. To be asked at the end. */
  checkRefused(): void {
    this.#newcomers.checkRefused(this.#surroundings.membership);
  }

  get #unitMs(): number {
    return this.#world.plan.options.raft.electionTimeoutMs;
  }

  #choose(dice: Dice, findLeader: FindLeader): SimMember {
    const anyone = dice.pick(this.#surroundings.members);
    return dice.chance(0.9) ? (findLeader() ?? anyone) : anyone;
  }

  /** Calls `act` with the replica of a member, if it gets there; the part given to `answer` runs if the answer gets back. */
  #reach(member: SimMember, dice: Dice, act: (replica: Replica, answer: (part: () => void) => void) => void): void {
    const { queue } = this.#world;
    queue.after(dice.exponential(1), () => {
      const { process } = member;
      process?.run(() => {
        const { replica } = member;
        if (replica === undefined) return;
        act(replica, (part) => {
          if (process.alive) queue.after(dice.exponential(1), part);
        });
      });
    });
  }

  #draw(kind: ChangeKind, replica: Replica, dice: Dice): MembershipEdit | undefined {
    const { configuration } = replica.status();
    const ids = configuration.members.map(({ id }) => id);
    if (ids.length === 0) return undefined;
    switch (kind) {
      case "addMember":
        return this.#addition(dice, false);
      case "addLearner":
        return this.#addition(dice, true);
      case "promote":
        return { type: "promote", member: dice.pick(configuration.learners.length > 0 ? configuration.learners : ids) };
      case "removeMember":
        return { type: "remove", member: dice.pick(ids) };
      case "removeLeader":
        return { type: "remove", member: replica.leadership().leaderId ?? dice.pick(ids) };
      case "replace":
        return this.#replacement(dice.pick(ids), dice);
    }
  }

  #addition(dice: Dice, keepLearner: boolean): MembershipEdit | undefined {
    const member = this.#newcomers.take(dice);
    return member && { type: "add", member: { ...member, ...(keepLearner && { keepLearner }) } };
  }

  #replacement(old: MemberId, dice: Dice, always = false): MembershipEdit | undefined {
    const member = this.#newcomers.take(dice, always);
    return member && { type: "replace", old, member };
  }

  /** Whether what the edit leads to keeps a majority of members that are well; then it is remembered for a while. */
  #allows(edit: MembershipEdit, replica: Replica): boolean {
    const { configuration } = replica.status();
    const target = applyEdit(configuration, edit);
    if (typeof target === "string") return true;
    const pending = { voters: target.voters, untilMs: this.#world.queue.nowMs + 60 * this.#unitMs };
    this.#pending.push(pending);
    if (this.isSurvivable([])) return true;
    this.#pending = this.#pending.filter((each) => each !== pending);
    return false;
  }

  #ended(edit: MembershipEdit, outcome: ChangeOutcome, dice: Dice, again: () => void, attempts: number): void {
    const { coverage, queue, trace } = this.#world;
    const { membership, members } = this.#surroundings;
    trace.note(
      "op",
      () => `${describeEdit(edit)}: ${outcome.type}${outcome.type === "refused" ? ` ${outcome.reason}` : ""}`,
    );
    if (outcome.type !== "refused") this.#newcomers.start(addedBy(edit));
    if (outcome.type === "unknown") {
      coverage.saw("changeUnknown");
    } else if (outcome.type === "refused") {
      coverage.saw("changeRefused");
      this.#newcomers.giveBack(addedBy(edit));
      if (attempts > 1) queue.after(dice.real(0.2, 1) * this.#unitMs, again);
    } else {
      coverage.saw("changed");
      const { configuration } = membership.committedAt(outcome.index);
      check(
        isCarriedOut(edit, configuration),
        "a change told is made",
        () => `${describeEdit(edit)} was told to be done at ${outcome.index}`,
      );
      const member = members.find(({ id }) => id === removedBy(edit));
      if (member !== undefined) this.#removed(member, dice);
    }
  }

  #removed(member: SimMember, dice: Dice): void {
    const { coverage, queue } = this.#world;
    if (dice.chance(0.5)) {
      coverage.saw("removedMemberRunsOn");
      return;
    }
    queue.after(dice.real(0, 4) * this.#unitMs, () => member.retire());
  }

  #transferred(outcome: TransferOutcome, term: number, asked: SimMember): void {
    const { coverage, trace } = this.#world;
    trace.note("op", () => `transfer: ${outcome.type}`);
    if (outcome.type === "refused") {
      coverage.saw("transferRefused");
      return;
    }
    if (outcome.type === "failed") {
      const core = asked.replica?.core;
      if (core?.role === "leader" && core.term === term) coverage.saw("transferAborted");
      return;
    }
    coverage.saw("transferred");
    const { status } = this.#surroundings.members.find(({ id }) => id === outcome.to) ?? {};
    const isLater = outcome.from === outcome.to || status === undefined || status.term > term;
    check(isLater, "a transfer ends in a later term", () => `${outcome.to} is still in term ${status?.term}`);
  }
}

const nobodyElse: Configuration = { voters: [], outgoingVoters: [], learners: [], nextLearners: [], members: [] };

function withIllLearners(configuration: Configuration, isWell: (id: MemberId) => boolean): Configuration {
  const ill = impatientLearners(configuration).filter((id) => !isWell(id));
  return { ...configuration, voters: [...configuration.voters, ...ill] };
}
