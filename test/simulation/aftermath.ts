import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import { summaryKey } from "../../src/kv/row-keys.ts";
import { type Configuration, isJoint, isVoter } from "../../src/raft/configuration.ts";
import type { Term } from "../../src/raft/entry.ts";
import { compactionTarget } from "../../src/replica/compaction-policy.ts";
import type { ReplicaStatus } from "../../src/replica/replica-status.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { check } from "./broken-rule.ts";
import type { Client } from "./client.ts";
import { type Dice, diceFor } from "./dice.ts";
import { readAllAlong } from "./leader-probe.ts";
import { describe as describeConfiguration, impatientLearners, type MembershipRules } from "./membership-rules.ts";
import type { Operator } from "./operator.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** What is left when the faults are over. */
export interface AftermathSurroundings {
  readonly world: World;
  readonly members: readonly SimMember[];
  readonly clients: readonly Client[];
  readonly operator: Operator;
  readonly membership: MembershipRules;
  /** Runs events until `done` holds or the time is over; whether it came to hold. */
  readonly runUntil: (done: () => boolean, untilMs: number) => Promise<boolean>;
}

/**
 * The end of a run, without faults: the members of the configuration that the faults left must agree, be served by one
 * another whoever is asked, and hold the same. Those that were removed may run on; nobody may notice.
 */
export class Aftermath {
  readonly #surroundings: AftermathSurroundings;
  readonly #world: World;

  constructor(surroundings: AftermathSurroundings) {
    this.#surroundings = surroundings;
    this.#world = surroundings.world;
  }

  /** Throws a {@link BrokenRule} unless everything comes to rest, serves and is equal. */
  async check(): Promise<void> {
    // Reads bring heartbeats of their own: in half of the runs, because what only these would bring about is to be missed in the others.
    const dice = diceFor(this.#world.plan.seed, "readers");
    const isRead = dice.chance(0.5);
    const stopReading = isRead ? readAllAlong(this.#world, this.#surroundings.members) : () => {};
    await this.#converge("after the faults");
    await this.#findAltered();
    await this.#replaceLost();
    await this.#converge("after the lost members were replaced");
    for (const member of this.#configured()) await this.#probe(member);
    await this.#converge("after a write");
    if (isRead) await this.#restartFollower(dice);
    stopReading();
    await this.#compareStates();
    await this.#findShortLogs();
    this.#surroundings.operator.checkRefused();
  }

  /** Everybody follows one leader and has applied all of its log, within a bounded time. */
  async #converge(when: string): Promise<void> {
    const { electionTimeoutMs } = this.#world.plan.options.raft;
    const untilMs = this.#world.queue.nowMs + 60 * electionTimeoutMs + 20_000;
    const converged = await this.#surroundings.runUntil(() => this.#isAtRest(), untilMs);
    check(converged, "convergence", () => `${when}: ${this.#describe()}`);
  }

  #isAtRest(): boolean {
    if (this.#surroundings.clients.some((client) => client.busy)) return false;
    const leader = this.#leader();
    if (leader?.replica === undefined) return false;
    const { configurationAt, commitIndex, term, lastIndex } = leader.replica.core;
    const { configuration, index: configurationIndex } = configurationAt;
    if (configurationIndex > commitIndex || isJoint(configuration)) return false;
    // Who was removed leads until that is committed, and no longer.
    if (!isVoter(configuration, leader.id)) return false;
    const impatient = impatientLearners(configuration);
    return this.#membersOf(configuration).every(
      ({ lost, replica, id }) =>
        lost ||
        (replica?.core.term === term &&
          replica.core.leaderId === leader.id &&
          replica.appliedIndex === lastIndex &&
          replica.freshness().caughtUp &&
          !impatient.includes(id)),
    );
  }

  /** Who leads; one whose disk rots may lead for as long as nobody comes across the damage. */
  #leader(): SimMember | undefined {
    const { members } = this.#surroundings;
    const leaders = members.filter(({ replica }) => replica?.core.role === "leader");
    const leader = leaders.sort((a, b) => termOf(b) - termOf(a))[0];
    if (leader?.replica === undefined) return undefined;
    const { configuration } = leader.replica.core.configurationAt;
    const isOutdated = this.#membersOf(configuration).some((each) => !each.lost && termOf(each) > termOf(leader));
    return isOutdated ? undefined : leader;
  }

  #membersOf(configuration: Configuration): SimMember[] {
    const ids = new Set(configuration.members.map(({ id }) => id));
    return this.#surroundings.members.filter(({ id }) => ids.has(id));
  }

  /** The members that there are in the end, all of them well. */
  #configured(): SimMember[] {
    const core = this.#leader()?.replica?.core;
    return core === undefined ? [] : this.#membersOf(core.configurationAt.configuration).filter(({ lost }) => !lost);
  }

  /** A member whose state is wrong notices it by itself; that states differ, where there is no majority to tell which. */
  async #findAltered(): Promise<void> {
    const { runUntil } = this.#surroundings;
    const { queue, plan } = this.#world;
    const core = this.#leader()?.replica?.core;
    const members = core === undefined ? [] : this.#membersOf(core.configurationAt.configuration);
    const altered = members.filter(({ damage }) => damage === "altered");
    const isFound = ({ status }: SimMember): boolean =>
      status !== undefined && (status.integrity.divergence !== null || status.integrity.split);
    const untilMs = queue.nowMs + 40 * plan.options.raft.electionTimeoutMs + 5_000;
    const found = await runUntil(() => altered.every(isFound), untilMs);
    check(found, "a wrong state is found", () => this.#describe());
  }

  /** Does what operators are told to do about a member whose data is lost or damaged. */
  async #replaceLost(): Promise<void> {
    const dice = diceFor(this.#world.plan.seed, "strike", 1_000_000);
    const { electionTimeoutMs } = this.#world.plan.options.raft;
    for (let attempt = 1; attempt <= 40; attempt++) {
      const leader = this.#leader();
      const configuration = leader?.replica?.core.configurationAt.configuration;
      const lost = configuration && this.#membersOf(configuration).find((member) => member.lost);
      if (leader !== undefined && lost === undefined) return;
      let answered = false;
      if (leader !== undefined && lost !== undefined) {
        this.#surroundings.operator.replaceLost(lost, leader, dice, () => {
          answered = true;
        });
      }
      await this.#surroundings.runUntil(() => answered, this.#world.queue.nowMs + 4 * electionTimeoutMs);
      // Who is refused, because another member has not been heard yet, tries again later and not at once.
      await this.#surroundings.runUntil(() => false, this.#world.queue.nowMs + electionTimeoutMs / 2);
    }
    check(false, "a lost member can be replaced", () => this.#describe());
  }

  /**
   * A member serves a write and a linearizable read of it, at the latest when what broke before has been noticed. One that a removal
   * of unknown outcome has taken out by now need not.
   */
  async #probe(member: SimMember): Promise<void> {
    const { runUntil } = this.#surroundings;
    const { queue, plan } = this.#world;
    const timeoutMs = 8 * plan.options.raft.electionTimeoutMs;
    let answer = "no answer";
    for (let attempt = 1; answer !== "served" && attempt <= 4; attempt++) {
      // An orderly stop that began before may end only now.
      await runUntil(() => member.replica !== undefined, queue.nowMs + 3 * timeoutMs);
      let answered = false;
      member.probe(attempt, timeoutMs, (what) => {
        answered = true;
        answer = what;
      });
      await runUntil(() => answered, queue.nowMs + 3 * timeoutMs);
      // What is left from the faults, such as proposals that were overwritten, may hold its place until its deadline.
      if (answer !== "served") await runUntil(() => false, queue.nowMs + timeoutMs);
    }
    const isServed = answer === "served" || (this.#leader() !== undefined && !this.#configured().includes(member));
    check(isServed, "service after the faults", () => `${member.id}: ${answer}; ${this.#describe()}`);
  }

  /** A follower that restarts while its leader is read from all the time lacks a write, and gets it no later than without the reads. */
  async #restartFollower(dice: Dice): Promise<void> {
    const { runUntil } = this.#surroundings;
    const { queue, plan, coverage } = this.#world;
    const { electionTimeoutMs } = plan.options.raft;
    const leader = this.#leader();
    const core = leader?.replica?.core;
    if (leader === undefined || core === undefined) return;
    const { voters } = core.configurationAt.configuration;
    const well = this.#configured();
    const wellVoters = well.filter(({ id }) => voters.includes(id)).length;
    // The others have to be a quorum without it.
    const voterMayGo = 2 * (wellVoters - 1) > voters.length;
    const mayGo = well.filter((member) => member !== leader && (voterMayGo || !voters.includes(member.id)));
    if (mayGo.length === 0) return;
    const follower = dice.pick(mayGo);
    follower.crash();
    await this.#probe(leader);
    await runUntil(() => false, queue.nowMs + 2 * electionTimeoutMs);
    follower.start();
    await this.#converge("after a restart while the leader was read from");
    coverage.saw("restartedWhileRead");
  }

  /** The durable state is the same, byte for byte, once all rows are written. */
  async #compareStates(): Promise<void> {
    const members = this.#configured();
    const { queue, plan } = this.#world;
    await this.#surroundings.runUntil(() => false, queue.nowMs + plan.options.waitingRowsMs + 3000);
    const [first, ...others] = members;
    check(first !== undefined, "somebody is left", () => this.#describe());
    const rows = first.disk.stateRows();
    const usedBytes = countAnew(rows);
    for (const member of members) {
      const counted = member.usedBytes;
      // Whose write takes longer than it may stops, and starts anew, at any time.
      if (counted === undefined) continue;
      const tell = () => `${member.id} has counted ${counted} bytes, its rows come to ${usedBytes}`;
      check(counted === usedBytes, "bytes against the quota follow from the rows", tell);
    }
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

  /** What is applied durably is forgotten, as far as the limits ask for it and nobody is fetching a snapshot. */
  async #findShortLogs(): Promise<void> {
    const { queue, plan } = this.#world;
    const { logEntriesMax, logBytesMax } = plan.options.compaction;
    const isShort = (member: SimMember, status = member.status): boolean =>
      status === undefined ||
      status.snapshotsSent.length > 0 ||
      (status.lastIndex - status.firstIndex < logEntriesMax && status.logSizeBytes <= logBytesMax) ||
      this.#lacksConfiguration(member, status);
    const untilMs = queue.nowMs + 20 * plan.options.raft.electionTimeoutMs + 5000;
    const short = await this.#surroundings.runUntil(
      () => this.#configured().every((member) => isShort(member)),
      untilMs,
    );
    check(short, "logs within their limits", () => this.#describe());
  }

  /** A member that joined forgets nothing before the first configuration that it knows: it could not pass it on. */
  #lacksConfiguration({ founder, disk }: SimMember, { firstIndex, lastIndex, logSizeBytes }: ReplicaStatus): boolean {
    const { compaction } = this.#world.plan.options;
    const { appliedIndex } = disk;
    const facts = { firstIndex, lastIndex, appliedIndex, sizeBytes: logSizeBytes, pinnedIndex: null, ageMs: 0 };
    const target = compactionTarget(facts, compaction.trailingEntries, compaction);
    const [first] = disk.configurations;
    return !founder && disk.base === undefined && (first === undefined || first.index > target);
  }

  #describe(): string {
    const { members, clients, membership } = this.#surroundings;
    const described = members.map(({ id, status, damage, process, retired }) => {
      if (damage !== undefined) return `${id} ${damage}`;
      if (status === undefined) return `${id} ${retired ? "gone" : process === undefined ? "down" : "opening"}`;
      const { role, term, leaderId, lastIndex, commitIndex, appliedIndex, caughtUp } = status;
      const place = `last ${lastIndex} committed ${commitIndex} applied ${appliedIndex}`;
      const who = describeConfiguration(status.configuration);
      return `${id} ${role} term ${term} of ${leaderId} in ${who} ${place}${caughtUp ? "" : " behind"}`;
    });
    const busy = clients.filter((client) => client.busy).length;
    const latest = describeConfiguration(membership.latest.configuration);
    return `${latest}: ${described.join("; ")}; ${busy} clients busy`;
  }
}

/** What rows come to against the quota for a member that gets them. */
function countAnew(rows: readonly Row[]): number {
  const machine = createKvStateMachine();
  const survey = machine.survey();
  const prefixes = survey.prefixes.map(([first]) => first);
  for (const [key, value] of rows) if (prefixes.includes(key[0])) survey.add(key, value);
  survey.takeUp();
  const summary = rows.find(([key]) => Buffer.compare(key, summaryKey) === 0)?.[1];
  return machine.stateBytes({ get: () => summary });
}

function termOf({ replica }: SimMember): Term {
  return replica?.core.term ?? 0;
}
