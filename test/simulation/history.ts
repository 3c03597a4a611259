import { checkLinearizability, type Observation, type Operation } from "../lib/linearizability.ts";
import { check } from "./broken-rule.ts";

/** Steps of the search; a history that needs more counts as one that could not be checked. */
const stepsMax = 300_000;

/** What clients saw, key by key. */
export class History {
  readonly #byKey = new Map<string, Observation[]>();
  /** Histories that the search gave up on. */
  undecided = 0;

  add(key: string, observation: Observation): void {
    const known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, [observation]);
    else known.push(observation);
  }

  /** Operations in it. */
  get size(): number {
    return [...this.#byKey.values()].reduce((sum, history) => sum + history.length, 0);
  }

  /** Each key's history must have an order that explains it. */
  check(): void {
    for (const [key, history] of this.#byKey) {
      // A read without an answer says nothing.
      const telling = history.filter(({ operation, returnedAt }) => operation.kind !== "get" || returnedAt !== null);
      const verdict = checkLinearizability(telling, stepsMax);
      if (verdict === "undecided") this.undecided++;
      check(verdict !== "violated", "linearizability", () => `${key}:\n${describe(telling)}`);
    }
  }
}

function describe(history: readonly Observation[]): string {
  return [...history]
    .sort((a, b) => a.invokedAt - b.invokedAt)
    .map(({ operation, invokedAt, returnedAt }) => `  ${invokedAt}..${returnedAt ?? "?"} ${text(operation)}`)
    .join("\n");
}

function text(operation: Operation): string {
  return JSON.stringify(operation);
}
