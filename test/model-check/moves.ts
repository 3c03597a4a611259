import type { MemberId } from "../../src/raft/configuration.ts";
import type { SnapshotToFetch } from "../../src/raft/raft-state.ts";
import type { Input } from "../raft/stepped-member.ts";
import { endings, type MemberState, type MemberStates, raftOptions } from "./member-states.ts";
import { idsOf, type Scope } from "./scope.ts";
import { type Expense, expenses, type World, type WorldFormat } from "./world.ts";

/** Something that can happen in a world. */
export interface Move {
  /** Of the member in the world's row. */
  readonly place: number;
  readonly input: number;
  /** Position in {@link endings}. */
  readonly ending: number;
  /** Message that is used up; -1 when none is. */
  readonly taken: number;
  /** What it counts as; `null` when it may happen as often as it can. */
  readonly expense: Expense | null;
}

const [settled, crashBeforeWrite, crashAfterWrite] = [0, 1, 2];

/** Says what can happen next. */
export class Moves {
  readonly #scope: Scope;
  readonly #states: MemberStates;
  readonly #format: WorldFormat;
  readonly #ids: readonly MemberId[];
  /** Moves of a member by itself, by the number of its state, when nothing is used up. */
  readonly #own: (readonly Move[] | undefined)[] = [];
  /** Moves that a message makes, by its number, when nothing is used up. */
  readonly #arrivals: (readonly Move[] | undefined)[] = [];
  /** Inputs that differ with how many there were before. */
  readonly #proposals: readonly number[];
  readonly #reads: readonly number[];

  constructor(scope: Scope, states: MemberStates, format: WorldFormat) {
    this.#scope = scope;
    this.#states = states;
    this.#format = format;
    this.#ids = idsOf(scope);
    const { proposals, reads } = scope.limits;
    this.#proposals = Array.from({ length: proposals }, (_, used) =>
      states.inputs.number({ type: "propose", command: Uint8Array.of(used + 1) }),
    );
    this.#reads = Array.from({ length: reads }, (_, used) => states.inputs.number({ type: "read", context: used + 1 }));
  }

  /** Calls `visit` with everything that can happen in `world`. */
  forEach(world: World, visit: (move: Move) => void): void {
    for (let place = 0; place < this.#format.members; place++) {
      const state = this.#states.at(world[place] ?? -1);
      for (const move of this.#ownMoves(place, state)) if (this.#canAfford(world, move)) visit(move);
      if (state.role === "leader") this.#numbered(world, place, "proposals", this.#proposals, visit);
      this.#numbered(world, place, "reads", this.#reads, visit);
      if (state.wanted !== null) this.#fetch(world, place, state.wanted, visit);
    }
    for (let at = this.#format.messagesAt; at < world.length; at++) {
      for (const move of this.#arrivalsOf(world[at] ?? -1)) if (this.#canAfford(world, move)) visit(move);
    }
  }

  #canAfford(world: World, { expense }: Move): boolean {
    return expense === null || (world[this.#format.usedAt(expense)] ?? 0) < this.#scope.limits[expense];
  }

  #numbered(
    world: World,
    place: number,
    expense: Expense,
    inputs: readonly number[],
    visit: (move: Move) => void,
  ): void {
    const input = inputs[world[this.#format.usedAt(expense)] ?? 0];
    if (input !== undefined) visit({ place, input, ending: settled, taken: -1, expense });
  }

  /** A snapshot is of the state that its giver has at present, if that is far enough. */
  #fetch(world: World, place: number, { from, index }: SnapshotToFetch, visit: (move: Move) => void): void {
    const giver = this.#states.at(world[this.#format.placeOf(from)] ?? -1);
    if (giver.snapshot.index < index) return;
    const input = this.#states.inputs.number({ type: "fetched", base: giver.snapshot });
    visit({ place, input, ending: settled, taken: -1, expense: null });
  }

  #arrivalsOf(message: number): readonly Move[] {
    const known = this.#arrivals[message];
    if (known !== undefined) return known;
    const place = this.#format.placeOf(this.#states.messages.at(message).to);
    const input = this.#states.arrival(message);
    const taken = this.#scope.keepsMessages ? -1 : message;
    const once: Move = { place, input, ending: settled, taken, expense: null };
    const moves = this.#withEndings(once);
    if (this.#scope.limits.duplicates > 0) moves.push({ ...once, taken: -1, expense: "duplicates" });
    this.#arrivals[message] = moves;
    return moves;
  }

  #ownMoves(place: number, state: MemberState): readonly Move[] {
    const known = this.#own[state.number];
    if (known !== undefined) return known;
    const inputs: [Input, Expense | null][] = [[{ type: "restart", writeSurvives: false }, "crashes"]];
    if (state.isWriting)
      inputs.push([{ type: "written" }, null], [{ type: "restart", writeSurvives: true }, "crashes"]);
    if (state.isApplying) inputs.push([{ type: "applied" }, null]);
    if (state.hasFetched && !state.isInstalling) inputs.push([{ type: "install" }, null]);
    if (state.isInstalling) inputs.push([{ type: "installed" }, null]);
    const { index } = state.snapshot;
    const canCompact = !state.isInstalling && index > (state.log.base?.index ?? 0);
    if (canCompact) inputs.push([{ type: "compact", index }, "compactions"]);
    inputs.push(...(state.role === "leader" ? this.#leaderInputs(state) : this.#followerInputs(state)));
    const moves = inputs.flatMap(([input, expense]) => {
      const move: Move = { place, input: this.#states.inputs.number(input), ending: settled, taken: -1, expense };
      return input.type === "restart" || expense !== null ? [move] : this.#withEndings(move);
    });
    this.#own[state.number] = moves;
    return moves;
  }

  #followerInputs({ id, term, isSticky }: MemberState): [Input, Expense | null][] {
    const mayCampaign = term < this.#scope.terms;
    if (this.#scope.elections === "preVote") {
      return [
        ...(isSticky ? [[{ type: "tick", byMs: raftOptions.electionTimeoutMs }, null] as [Input, null]] : []),
        ...(mayCampaign ? [[{ type: "campaign" }, "campaigns"] as [Input, Expense]] : []),
      ];
    }
    const from = this.#ids.find((other) => other !== id) ?? id;
    const message = { type: "TimeoutNowRequest", from, to: id, term } as const;
    return mayCampaign ? [[{ type: "message", message }, "campaigns"]] : [];
  }

  #leaderInputs({ id, configuration }: MemberState): [Input, Expense][] {
    const targets = configuration.voters.filter((voter) => voter !== id);
    return [
      [{ type: "tick", byMs: raftOptions.heartbeatIntervalMs }, "beats"],
      ...targets.map((target): [Input, Expense] => [{ type: "transfer", target }, "transfers"]),
      ...this.#scope.targets.map((target): [Input, Expense] => [{ type: "change", target }, "changes"]),
    ];
  }

  /** Where writes take no time of their own, a crash may still come before or after the write that a move leads to. */
  #withEndings(move: Move): Move[] {
    if (this.#scope.slowWrites || this.#scope.limits.crashes === 0) return [move];
    return [
      move,
      { ...move, ending: crashBeforeWrite, expense: "crashes" },
      { ...move, ending: crashAfterWrite, expense: "crashes" },
    ];
  }
}

/** One number for a move, from which {@link unpackMove} makes it again; `taken` must be what `arrival` says of the input. */
export function packMove({ place, input, ending, expense }: Move): number {
  const spent = expense === null ? 0 : expenses.indexOf(expense) + 1;
  return ((input * endings.length + ending) * (expenses.length + 1) + spent) * 8 + place;
}

/** Undoes {@link packMove}. `messageOf` tells which message an input is the arrival of, -1 when of none. */
export function unpackMove(packed: number, messageOf: (input: number) => number): Move {
  const place = packed % 8;
  const rest = Math.floor(packed / 8);
  const spent = rest % (expenses.length + 1);
  const key = Math.floor(rest / (expenses.length + 1));
  const input = Math.floor(key / endings.length);
  const expense = spent === 0 ? null : (expenses[spent - 1] ?? null);
  const isArrival = expense === null || expense === "crashes";
  return { place, input, ending: key % endings.length, taken: isArrival ? messageOf(input) : -1, expense };
}
