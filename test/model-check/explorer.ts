import { Fingerprinter, type Renaming, renamingsOf } from "./fingerprint.ts";
import { raftOptions } from "./member-states.ts";
import { type Move, Moves, packMove, unpackMove } from "./moves.ts";
import { ledWorld } from "./prelude.ts";
import type { Scope } from "./scope.ts";
import { StateSet } from "./state-set.ts";
import type { World } from "./world.ts";
import { WorldMachine } from "./world-machine.ts";

/** How a search went. */
export interface Findings {
  /** Worlds that differ in more than names. */
  readonly states: number;
  readonly transitions: number;
  /** Moves on the longest of the shortest ways to a state. */
  readonly depth: number;
  /** States of single members. */
  readonly memberStates: number;
  /** Steps of the core, those included that were repeated to bring a member into a state again. */
  readonly coreSteps: number;
  /** Moves left out because they lead beyond the highest term. */
  readonly beyondTerms: number;
  /** Whether every state within the limits was reached. */
  readonly isExhausted: boolean;
  readonly seconds: number;
  /** The first broken rule, and the shortest way to it. */
  readonly violation: Violation | null;
}

/** A rule that was broken, and how. */
export interface Violation {
  readonly reason: string;
  readonly moves: readonly Move[];
}

/** When a search stops before its end. */
export interface SearchLimits {
  /** Default: none. */
  readonly statesMax?: number;
  /** Default: none. */
  readonly secondsMax?: number;
  /** Told before each depth. Default: nobody is. */
  readonly progress?: (depth: number, states: number, frontier: number) => void;
}

/** Looks at every world that a scope allows, nearest first. */
export class Explorer {
  readonly machine: WorldMachine;
  /** Where the search begins. */
  readonly start: World;
  readonly #moves: Moves;
  readonly #seen = new StateSet();
  /** By number of each world, in order of discovery: the number of the world before it, and the move from there. */
  readonly #parents: number[] = [];
  readonly #packedMoves: number[] = [];
  readonly #sums: Int32Array;
  readonly #nextSums: Int32Array;
  #transitions = 0;
  #beyondTerms = 0;

  constructor(scope: Scope) {
    const renamings = interchangeable(scope);
    // No scope has leases, for which alone it matters for how long leaders were silent.
    const ignored = ["leaderSilenceMs", ...(scope.limits.reads > 0 ? [] : ["nextReadId"])];
    const fingerprinter = new Fingerprinter(renamings, raftOptions.electionTimeoutMs, ignored);
    this.machine = new WorldMachine(scope, fingerprinter);
    this.start = scope.startsLed ? ledWorld(this.machine) : this.machine.start();
    this.#moves = new Moves(scope, this.machine.states, this.machine.format);
    this.#sums = new Int32Array(2 * renamings.length);
    this.#nextSums = new Int32Array(2 * renamings.length);
  }

  run(limits: SearchLimits = {}): Findings {
    const { statesMax = Number.POSITIVE_INFINITY, secondsMax = Number.POSITIVE_INFINITY, progress } = limits;
    const begunMs = performance.now();
    const seconds = (): number => (performance.now() - begunMs) / 1000;
    const start = this.start;
    this.machine.addDigests(start, this.#nextSums);
    this.#isNew();
    this.#note(-1, -1);
    let frontier = [start];
    let depth = 0;
    let violation: Violation | null = null;
    let isStopped = false;
    for (; frontier.length > 0 && !isStopped; depth++) {
      progress?.(depth, this.#seen.size, frontier.length);
      const next: World[] = [];
      const first = this.#parents.length - frontier.length;
      for (const [position, world] of frontier.entries()) {
        violation = this.#expand(world, first + position, next);
        isStopped = violation !== null || this.#seen.size >= statesMax || seconds() > secondsMax;
        if (isStopped) break;
      }
      frontier = next;
    }
    const { states } = this.machine;
    return {
      states: this.#seen.size,
      transitions: this.#transitions,
      depth,
      memberStates: states.size,
      coreSteps: states.stepsRun,
      beyondTerms: this.#beyondTerms,
      isExhausted: !isStopped,
      seconds: seconds(),
      violation,
    };
  }

  /** Makes every move of a world, and adds the worlds that nobody had seen to `next`. */
  #expand(world: World, number: number, next: World[]): Violation | null {
    let violation: Violation | null = null;
    this.machine.addDigests(world, this.#sums);
    this.#moves.forEach(world, (move) => {
      if (violation !== null) return;
      const effect = this.machine.effect(world, move);
      if (effect.type === "broken") {
        violation = { reason: effect.reason, moves: [...this.#wayTo(number), move] };
      } else if (effect.type === "beyond") {
        this.#beyondTerms++;
      } else if (effect.type === "reached") {
        this.#transitions++;
        this.#nextSums.set(this.#sums);
        this.machine.moveDigests(world, move, effect, this.#nextSums);
        if (!this.#isNew()) return;
        this.#note(number, packMove(move));
        next.push(this.machine.next(world, move, effect));
      }
    });
    return violation;
  }

  #note(parent: number, packed: number): void {
    this.#parents.push(parent);
    this.#packedMoves.push(packed);
  }

  /** Whether the world of `#nextSums` is new; worlds that differ in names only count as one, that with the least digest. */
  #isNew(): boolean {
    const sums = this.#nextSums;
    let [low, high] = [sums[0] ?? 0, sums[1] ?? 0];
    for (let word = 2; word < sums.length; word += 2) {
      const [otherLow, otherHigh] = [sums[word] ?? 0, sums[word + 1] ?? 0];
      if (otherLow < low || (otherLow === low && otherHigh < high)) [low, high] = [otherLow, otherHigh];
    }
    return this.#seen.add(low, high);
  }

  #wayTo(number: number): Move[] {
    const moves: Move[] = [];
    for (let at = number; (this.#parents[at] ?? -1) >= 0; at = this.#parents[at] ?? -1) {
      moves.push(unpackMove(this.#packedMoves[at] ?? -1, (input) => this.machine.states.messageOf(input)));
    }
    return moves.reverse();
  }
}

/**
 * The ways to rename the members of a scope that change nothing about it. None but the given names where the core has to
 * choose among equals, since it does so by name: when a leader hands over to the best of the others.
 */
function interchangeable({ voters, newcomers, targets, limits, slowWrites }: Scope): Renaming[] {
  const count = voters.length + newcomers.length;
  const all = renamingsOf(count);
  const handsOver = limits.changes > 0 || (slowWrites && limits.beats > 1);
  if (handsOver || targets.length > 0) return all.slice(0, 1);
  return all.filter((renaming) => renaming.every((place, at) => place < voters.length === at < voters.length));
}
