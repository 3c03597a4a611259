import { checkLinearizability, type Observation, type Operation } from "../lib/linearizability.ts";
import { check } from "./broken-rule.ts";
import type { Ledger } from "./ledger.ts";

/** Steps of the search for one key; more than any history of a run has needed by far. */
const stepsMax = 2_000_000;

/** A write whose caller was never told what became of it. */
export interface UnknownWrite {
  readonly operation: Operation;
  readonly invokedAt: number;
  readonly command: Uint8Array;
  /** Names the request, if its client has a session. */
  readonly request: { readonly clientId: string; readonly sequence: number } | undefined;
}

/** What clients saw, key by key. */
export class History {
  readonly #byKey = new Map<string, Observation[]>();
  readonly #unknown: { readonly key: string; readonly write: UnknownWrite }[] = [];

  add(key: string, observation: Observation): void {
    const known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, [observation]);
    else known.push(observation);
  }

  addUnknown(key: string, write: UnknownWrite): void {
    this.#unknown.push({ key, write });
  }

  /** Operations in it. */
  get size(): number {
    return [...this.#byKey.values()].reduce((sum, history) => sum + history.length, this.#unknown.length);
  }

  /**
   * Each key's history must have an order that explains it. What became of writes that nobody was told of is looked up in
   * what was applied: left open, a few dozen of them would make the search endless.
   */
  check(ledger: Ledger): void {
    this.#settleUnknown(ledger);
    for (const [key, history] of this.#byKey) {
      const verdict = checkLinearizability(history, stepsMax);
      check(verdict !== "undecided", "histories can be decided", () => `${key}:\n${describe(history)}`);
      check(verdict === "linearizable", "linearizability", () => `${key}:\n${describe(history)}`);
    }
  }

  #settleUnknown(ledger: Ledger): void {
    const writes = this.#unknown.splice(0).sort((a, b) => a.write.invokedAt - b.write.invokedAt);
    for (const { key, write } of writes) {
      const { operation, invokedAt, request, command } = write;
      const execution = request === undefined ? ledger.claim(command, invokedAt) : ledger.executionOf(request);
      // What was never applied had no effect; what was had it at the latest when somebody first applied it.
      if (execution !== undefined) this.add(key, { operation, invokedAt, returnedAt: execution.appliedAtMs });
    }
  }
}

function describe(history: readonly Observation[]): string {
  return [...history]
    .sort((a, b) => a.invokedAt - b.invokedAt)
    .map(({ operation, invokedAt, returnedAt }) => `  ${invokedAt}..${returnedAt ?? "?"} ${JSON.stringify(operation)}`)
    .join("\n");
}
