import { BrokenRule } from "../raft/rule.ts";
import type { Fingerprinter } from "./fingerprint.ts";
import { Histories } from "./history.ts";
import { type MemberState, MemberStates, type Step, StepFailure } from "./member-states.ts";
import type { Move } from "./moves.ts";
import { idsOf, type Scope } from "./scope.ts";
import { type Expense, expenses, type World, WorldFormat } from "./world.ts";

/** What a move comes to. */
export type Effect =
  | Reached
  /** Nothing changes, it cannot be, or it leads beyond the highest term. */
  | { readonly type: "idle" | "impossible" | "beyond" }
  | { readonly type: "broken"; readonly reason: string };

/** The world is another one now. */
export interface Reached {
  readonly type: "reached";
  readonly step: Step;
  readonly history: number;
  /** Messages that come to those on their way. */
  readonly sent: readonly number[];
  /** Messages that are not on their way any more. */
  readonly gone: readonly number[];
}

const [idle, impossible, beyond] = [{ type: "idle" }, { type: "impossible" }, { type: "beyond" }] as const;

/** Puts members and messages together to worlds, and makes moves in them. */
export class WorldMachine {
  readonly states: MemberStates;
  readonly format: WorldFormat;
  readonly #scope: Scope;
  readonly #histories: Histories;
  readonly #expenseDigests: ReadonlyMap<Expense, readonly Int32Array[]>;

  constructor(scope: Scope, fingerprinter: Fingerprinter) {
    this.#scope = scope;
    this.states = new MemberStates(scope, fingerprinter);
    this.format = new WorldFormat(idsOf(scope));
    this.#histories = new Histories(fingerprinter);
    const digests = (expense: Expense): Int32Array[] =>
      Array.from({ length: scope.limits[expense] + 1 }, (_, used) => fingerprinter.of({ expense, used }));
    this.#expenseDigests = new Map(expenses.map((expense) => [expense, digests(expense)]));
  }

  /** The world in which everybody starts for the first time. */
  start(): World {
    const members = idsOf(this.#scope).map((id) => this.states.start(id).number);
    return this.format.start(members, this.#histories.start);
  }

  /** What `move` comes to in `world`. */
  effect(world: World, move: Move): Effect {
    const before = this.states.at(world[move.place] ?? -1);
    const step = this.states.step(before, move.input, move.ending);
    if (step === null) return impossible;
    if (step instanceof StepFailure) return { type: "broken", reason: step.reason };
    if (step.next.term > this.#scope.terms) return beyond;
    if (step.isIdle) return idle;
    try {
      const history = this.#historyAfter(world, move, before, step);
      const gone = this.#gone(world, move, before, step);
      return { type: "reached", step, history, sent: this.#sent(world, gone, step), gone };
    } catch (error) {
      if (error instanceof BrokenRule) return { type: "broken", reason: error.message };
      throw error;
    }
  }

  #historyAfter(world: World, move: Move, before: MemberState, step: Step): number {
    const history = world[this.format.historyAt] ?? -1;
    if (step.isQuiet && move.expense !== "reads") return history;
    const members = Array.from({ length: this.format.members }, (_, place) =>
      place === move.place ? step.next : this.states.at(world[place] ?? -1),
    );
    const used = world[this.format.usedAt("reads")] ?? 0;
    const begun = move.expense === "reads" ? this.#histories.readBegins(history, used + 1, before.id) : history;
    return this.#histories.after(begun, before, step, members);
  }

  /** The world that a move leads to. */
  next(world: World, move: Move, { step, history, sent, gone }: Reached): World {
    const next = this.format.withMessages(world, gone, sent);
    next[move.place] = step.next.number;
    next[this.format.historyAt] = history;
    if (move.expense !== null) {
      const at = this.format.usedAt(move.expense);
      next[at] = (world[at] ?? 0) + 1;
    }
    return next;
  }

  /** Digests of a world under every renaming: the sum of those of its parts. */
  addDigests(world: World, sums: Int32Array): void {
    sums.fill(0);
    for (let place = 0; place < this.format.members; place++) {
      add(sums, this.states.at(world[place] ?? -1).digests);
    }
    add(sums, this.#histories.digests(world[this.format.historyAt] ?? -1));
    for (const expense of expenses) add(sums, this.#spent(expense, world[this.format.usedAt(expense)] ?? 0));
    for (let at = this.format.messagesAt; at < world.length; at++) {
      add(sums, this.states.messages.digests(world[at] ?? -1));
    }
  }

  /** Makes `sums`, which are those of `world`, those of the world that a move leads to. */
  moveDigests(world: World, move: Move, { step, history, sent, gone }: Reached, sums: Int32Array): void {
    subtract(sums, this.states.at(world[move.place] ?? -1).digests);
    add(sums, step.next.digests);
    const historyBefore = world[this.format.historyAt] ?? -1;
    if (history !== historyBefore) {
      subtract(sums, this.#histories.digests(historyBefore));
      add(sums, this.#histories.digests(history));
    }
    if (move.expense !== null) {
      const used = world[this.format.usedAt(move.expense)] ?? 0;
      subtract(sums, this.#spent(move.expense, used));
      add(sums, this.#spent(move.expense, used + 1));
    }
    for (const message of gone) subtract(sums, this.states.messages.digests(message));
    for (const message of sent) add(sums, this.states.messages.digests(message));
  }

  /**
   * Messages that a step adds to those on their way. One that is on its way already is not added: messages may be lost, and
   * without this, members that are answered out of order ask again without end.
   */
  #sent(world: World, gone: readonly number[], { messages }: Step): readonly number[] {
    const head = this.format.messagesAt;
    return messages.filter((message, at) => {
      if (messages.indexOf(message) !== at || (world.includes(message, head) && !gone.includes(message))) return false;
      const { to } = this.states.messages.at(message);
      return !this.states.isStale(this.states.at(world[this.format.placeOf(to)] ?? -1), message);
    });
  }

  /** The message that a move uses up, and those that can do nothing any more since their receiver is in a later term. */
  #gone(world: World, move: Move, before: MemberState, { next }: Step): readonly number[] {
    const gone = move.taken < 0 ? [] : [move.taken];
    if (next.durable.hardState.term === before.durable.hardState.term) return gone;
    for (let at = this.format.messagesAt; at < world.length; at++) {
      const message = world[at] ?? -1;
      const { to } = this.states.messages.at(message);
      if (to === next.id && message !== move.taken && this.states.isStale(next, message)) gone.push(message);
    }
    return gone;
  }

  #spent(expense: Expense, used: number): Int32Array {
    const digests = this.#expenseDigests.get(expense)?.[used];
    if (digests === undefined) throw new Error(`${used} ${expense} are more than there may be`);
    return digests;
  }
}

function add(sums: Int32Array, digests: Int32Array): void {
  for (let word = 0; word < sums.length; word++) sums[word] = (sums[word] ?? 0) + (digests[word] ?? 0);
}

function subtract(sums: Int32Array, digests: Int32Array): void {
  for (let word = 0; word < sums.length; word++) sums[word] = (sums[word] ?? 0) - (digests[word] ?? 0);
}
