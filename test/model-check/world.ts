import type { MemberId } from "../../src/raft/configuration.ts";
import type { Limits } from "./scope.ts";

/** What is used up in a world, in the order in which a world keeps it. */
export const expenses = [
  "campaigns",
  "proposals",
  "crashes",
  "duplicates",
  "beats",
  "reads",
  "transfers",
  "changes",
  "compactions",
] as const satisfies readonly (keyof Limits)[];

/** Something of which a world has so many, and no more. */
export type Expense = (typeof expenses)[number];

/**
 * A world in one row of numbers: the state of each member, the history, what is used up of each limit, then the messages on
 * their way in ascending order. Members, histories and messages by their numbers.
 */
export type World = Int32Array;

/** Reads and changes rows for worlds of so many members. */
export class WorldFormat {
  readonly members: number;
  readonly #ids: readonly MemberId[];
  readonly #usedAt: ReadonlyMap<Expense, number>;

  constructor(ids: readonly MemberId[]) {
    this.members = ids.length;
    this.#ids = ids;
    this.#usedAt = new Map(expenses.map((expense, position) => [expense, ids.length + 1 + position]));
  }

  placeOf(id: MemberId): number {
    return this.#ids.indexOf(id);
  }

  get historyAt(): number {
    return this.members;
  }

  get messagesAt(): number {
    return this.members + 1 + expenses.length;
  }

  usedAt(expense: Expense): number {
    return this.#usedAt.get(expense) ?? -1;
  }

  start(members: readonly number[], history: number): World {
    return Int32Array.from([...members, history, ...expenses.map(() => 0)]);
  }

  /** The world in which some messages have left and others have come. */
  withMessages(world: World, gone: readonly number[], sent: readonly number[]): World {
    const head = this.messagesAt;
    const next = new Int32Array(world.length - gone.length + sent.length);
    next.set(world.subarray(0, head));
    let at = head;
    for (let from = head; from < world.length; from++) {
      const message = world[from] ?? -1;
      if (!gone.includes(message)) next[at++] = message;
    }
    next.set(sent, at);
    if (sent.length > 0) next.subarray(head).sort();
    return next;
  }
}
