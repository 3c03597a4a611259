import { type Random, seededRandom } from "../../src/raft/random.ts";
import { portableLogarithm } from "./portable-logarithm.ts";

/** What the random numbers of a run are for. Each purpose has a stream of its own, so that taking one fault out of a run does not reroll the others. */
export type Purpose =
  | "plan"
  | "network"
  | "disk"
  | "process"
  | "workload"
  | "strike"
  | "election"
  | "identity"
  | "integrity"
  | "engine"
  | "home"
  | "readers";

/** Random choices from one stream. */
export class Dice {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** True with probability `share`. */
  chance(share: number): boolean {
    return this.random() < share;
  }

  /** A number from `min` to `max`. */
  real(min: number, max: number): number {
    return min + (max - min) * this.random();
  }

  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  /** A number around `mean` with a long tail. */
  exponential(mean: number): number {
    return -portableLogarithm(1 - this.random()) * mean;
  }

  /** One of the items, each as likely as the others. Throws when there are none. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.random() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** One of the names, as likely as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries<number>(weights) as [Name, number][];
    let left = this.random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    return this.pick(entries)[0];
  }

  /** Each item with probability `share`. */
  some<Item>(items: readonly Item[], share: number): Item[] {
    return items.filter(() => this.random() < share);
  }
}

/** The stream of one purpose; `number` tells apart several of the same, such as one for each member. */
export function diceFor(seed: number, purpose: Purpose, number = 0): Dice {
  let hash = 0x811c9dc5;
  for (const unit of `${purpose}/${number}`) hash = Math.imul(hash ^ (unit.codePointAt(0) ?? 0), 0x01000193);
  return new Dice(seededRandom((hash >>> 11) * 2 ** 32 + (seed >>> 0)));
}
