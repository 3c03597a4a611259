import { type Configuration, type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import type { HardState, Index, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { Message } from "../../src/raft/message.ts";
import { defaultRaftOptions, type RaftOptions } from "../../src/raft/options.ts";
import type { ReadState, Role, SnapshotToFetch } from "../../src/raft/raft-state.ts";
import { emptyImage } from "../raft/durable-image.ts";
import { type Commit, type Input, type Outcome, SteppedMember } from "../raft/stepped-member.ts";
import type { Fingerprinter } from "./fingerprint.ts";
import { Interner } from "./interner.ts";
import { durableViewOf, type LogView, logText, viewOf } from "./log-view.ts";
import { checkLife, checkReleased, checkStep } from "./member-rules.ts";
import type { Scope } from "./scope.ts";

/** Two ticks of a heartbeat interval are an election timeout, so that few points in time have to be told apart. */
export const raftOptions: RaftOptions = { ...defaultRaftOptions, electionTimeoutMs: 100, heartbeatIntervalMs: 50 };

/** One of the states that a member was found in. */
export interface MemberState {
  readonly number: number;
  readonly id: MemberId;
  /** From which state and by which step it was first reached; `null` at a first start. */
  readonly from: { readonly state: MemberState; readonly step: number } | null;
  readonly role: Role;
  readonly term: Term;
  readonly leaderId: MemberId | null;
  readonly commitIndex: Index;
  readonly configuration: Configuration;
  /** As the core has it, durable or not. Equal logs are one object. */
  readonly log: LogView;
  readonly durable: { readonly hardState: HardState; readonly log: LogView };
  readonly isWriting: boolean;
  readonly isApplying: boolean;
  /** Whether it would refuse others its vote out of faith in its leader. */
  readonly isSticky: boolean;
  /** A leader's view of what others have. */
  readonly matchIndexes: ReadonlyMap<MemberId, Index>;
  /** Where a snapshot of its state stands. */
  readonly snapshot: LogBase;
  readonly wanted: SnapshotToFetch | null;
  readonly hasFetched: boolean;
  readonly isInstalling: boolean;
  readonly digests: Int32Array;
}

/** What one step of one member comes to, wherever the others are. */
export interface Step {
  readonly next: MemberState;
  /** Numbers of the messages that left. */
  readonly messages: readonly number[];
  readonly reads: readonly ReadState[];
  readonly commits: readonly Commit[];
  /** Whether nothing came of it. */
  readonly isIdle: boolean;
  /** Whether it is nothing that rules about more than one member look at. */
  readonly isQuiet: boolean;
}

/** How a step ends when writes take no time of their own: with the write done, or with a crash on the way. */
export const endings = ["settled", "crashBeforeWrite", "crashAfterWrite"] as const;

/** A rule that a step broke, or an assertion of the core that failed. */
export class StepFailure {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Members that stand in a state and wait to be used; above that, one is made anew when it is needed. */
const liveMax = 20_000;

/**
 * Every state of every member that was met, and what each input makes of it. The core is a function of what happens to it,
 * so that each step is run once, however many worlds it is part of. A member in a given state is made by repeating the steps
 * that first led there.
 */
export class MemberStates {
  readonly messages: Interner<Message>;
  readonly inputs: Interner<Input>;
  readonly #scope: Scope;
  readonly #fingerprinter: Fingerprinter;
  readonly #states: MemberState[] = [];
  readonly #numbers = new Map<number, number>();
  /** By state, then by input and ending. */
  readonly #steps: Map<number, Step | StepFailure | null>[] = [];
  readonly #arrivals: number[] = [];
  readonly #messageOf = new Map<number, number>();
  readonly #logs = new Map<string, LogView>();
  /** Members that stand in their state already; each is good for one step. */
  readonly #live = new Map<number, SteppedMember>();
  #stepsRun = 0;

  constructor(scope: Scope, fingerprinter: Fingerprinter) {
    this.#scope = scope;
    this.#fingerprinter = fingerprinter;
    this.messages = new Interner((message) => fingerprinter.of(message));
    this.inputs = new Interner((input) => fingerprinter.of(input));
  }

  get size(): number {
    return this.#states.length;
  }

  /** Steps of the core, repeated ones included. */
  get stepsRun(): number {
    return this.#stepsRun;
  }

  at(number: number): MemberState {
    const state = this.#states[number];
    if (state === undefined) throw new Error(`no member state ${number}`);
    return state;
  }

  /** The state of a member at its first start. */
  start(id: MemberId): MemberState {
    return this.#intern(this.#create(id), null).state;
  }

  /** The input that is the arrival of a message. */
  arrival(message: number): number {
    let input = this.#arrivals[message];
    if (input === undefined) {
      input = this.inputs.number({ type: "message", message: this.messages.at(message) });
      this.#arrivals[message] = input;
      this.#messageOf.set(input, message);
    }
    return input;
  }

  /** The message whose arrival an input is; -1 when it is something else. */
  messageOf(input: number): number {
    return this.#messageOf.get(input) ?? -1;
  }

  /**
   * Whether a message is of no use to a member any more: an answer of a term that the member has left for good, which changes
   * nothing, as the core itself says when it gets it. A core that looks at old answers is found out by that.
   */
  isStale(state: MemberState, message: number): boolean {
    const { type, term } = this.messages.at(message);
    if (!type.endsWith("Response") || term >= state.durable.hardState.term) return false;
    const step = this.step(state, this.arrival(message));
    return step !== null && !(step instanceof StepFailure) && step.isIdle;
  }

  /** What becomes of a member in `state` by `input`; `null` when it cannot end so. */
  step(state: MemberState, input: number, ending = 0): Step | StepFailure | null {
    const steps = this.#steps[state.number] ?? new Map<number, Step | StepFailure | null>();
    const key = input * endings.length + ending;
    let step = steps.get(key);
    if (step === undefined) {
      step = this.#compute(state, key);
      steps.set(key, step);
    }
    return step;
  }

  #compute(state: MemberState, key: number): Step | StepFailure | null {
    const member = this.#revive(state);
    try {
      const outcome = this.#run(member, key);
      if (outcome === null) return null;
      checkStep(state, member, outcome, this.#foundingOf(state.id));
      const { state: next, isNew } = this.#intern(member, { state, step: key });
      if (!this.#isRestart(key)) checkLife(state, next);
      if (isNew && this.#live.size < liveMax) this.#live.set(next.number, member);
      return this.#describeStep(state, next, outcome);
    } catch (error) {
      return new StepFailure(error instanceof Error ? error.message : String(error));
    }
  }

  #describeStep(before: MemberState, next: MemberState, { messages, reads, commits }: Outcome): Step {
    const sent = messages
      .filter(({ type }) => !this.#scope.lost.includes(type))
      .map((message) => this.messages.number(message));
    const isIdle = next === before && sent.length === 0 && reads.length === 0;
    const isQuiet =
      reads.length === 0 &&
      commits.length === 0 &&
      next.commitIndex === before.commitIndex &&
      next.role === before.role &&
      next.role !== "leader" &&
      next.log === before.log &&
      next.durable.log === before.durable.log;
    return { next, messages: sent, reads, commits, isIdle, isQuiet };
  }

  #revive(state: MemberState): SteppedMember {
    const live = this.#live.get(state.number);
    this.#live.delete(state.number);
    if (live !== undefined) return live;
    if (state.from === null) return this.#create(state.id);
    const member = this.#revive(state.from.state);
    this.#run(member, state.from.step);
    return member;
  }

  /** Runs a step; its outcome together with that of the write that it led to, where that is done at once. */
  #run(member: SteppedMember, key: number): Outcome | null {
    this.#stepsRun++;
    const ending = endings[key % endings.length];
    let outcome = take(member, this.inputs.at(Math.floor(key / endings.length)));
    if (ending !== "settled") {
      if (member.writing === null) return null;
      return joined(outcome, take(member, { type: "restart", writeSurvives: ending === "crashAfterWrite" }));
    }
    while (!this.#scope.slowWrites && member.writing !== null) {
      outcome = joined(outcome, take(member, { type: "written" }));
    }
    return outcome;
  }

  #isRestart(key: number): boolean {
    return key % endings.length !== 0 || this.inputs.at(Math.floor(key / endings.length)).type === "restart";
  }

  #create(id: MemberId): SteppedMember {
    const image = emptyImage();
    const appliesAtOnce = !this.#scope.slowApplies;
    return new SteppedMember({ id, configuration: this.#foundingOf(id), raft: raftOptions, image, appliesAtOnce });
  }

  #foundingOf(id: MemberId): Configuration {
    const founders = this.#scope.newcomers.includes(id) ? "" : this.#scope.voters;
    return votersOnly(founders.split("").map((each) => ({ id: each, name: each, peerAddress: each })));
  }

  #intern(member: SteppedMember, from: MemberState["from"]): { readonly state: MemberState; readonly isNew: boolean } {
    const { image, writing, applying, wanted, fetched, installing } = member;
    const picture = member.node.toJSON() as Picture;
    const write = writing === null ? null : { ...writing, sinceMs: null, forMs: picture.nowMs - writing.sinceMs };
    const digests = this.#fingerprinter.of({ picture, image, write, applying, wanted, fetched, installing }, picture);
    const key = (digests[0] ?? 0) * 2 ** 21 + ((digests[1] ?? 0) & 0x1fffff);
    const known = this.#numbers.get(key);
    if (known !== undefined) return { state: this.at(known), isNew: false };
    const number = this.#states.length;
    const state: MemberState = { number, from, digests, ...this.#describe(member, picture) };
    this.#states.push(state);
    this.#steps.push(new Map());
    this.#numbers.set(key, number);
    return { state, isNew: true };
  }

  #describe(member: SteppedMember, picture: Picture): Omit<MemberState, "number" | "from" | "digests"> {
    const { id, node, image, writing, applying, wanted, fetched, installing } = member;
    const { role, term, leaderId, commitIndex, configuration } = node;
    return {
      id,
      role,
      term,
      leaderId,
      commitIndex,
      configuration,
      log: this.#oneLog(viewOf(member)),
      durable: { hardState: image.hardState, log: this.#oneLog(durableViewOf(image)) },
      isWriting: writing !== null,
      isApplying: applying !== null,
      isSticky: role !== "leader" && leaderId !== null && picture.electionElapsedMs < raftOptions.electionTimeoutMs,
      matchIndexes: new Map([...node.progress].map(([peer, { matchIndex }]) => [peer, matchIndex])),
      snapshot: node.logBaseAt(node.appliedIndex),
      wanted,
      hasFetched: fetched !== null,
      isInstalling: installing !== null,
    };
  }

  #oneLog(log: LogView): LogView {
    const text = logText(log);
    const known = this.#logs.get(text) ?? log;
    this.#logs.set(text, known);
    return known;
  }
}

/** What of a core's picture is used here by name. */
interface Picture {
  readonly nowMs: number;
  readonly readClockMs: number;
  readonly electionElapsedMs: number;
}

function take(member: SteppedMember, input: Input): Outcome {
  const outcome = member.take(input);
  for (const message of outcome.messages) checkReleased(member, message);
  return outcome;
}

function joined(one: Outcome, other: Outcome): Outcome {
  return {
    messages: [...one.messages, ...other.messages],
    reads: [...one.reads, ...other.reads],
    commits: [...one.commits, ...other.commits],
  };
}
