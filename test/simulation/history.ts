import type { Index } from "../../src/raft/entry.ts";
import { checkLinearizability, isLinearization, type Observation, type Operation } from "../lib/linearizability.ts";
import { check } from "./broken-rule.ts";
import type { Ledger } from "./ledger.ts";

/** Steps of the search for one key; more than any history of a run has needed by far. */
const stepsMax = 2_000_000;

/** What a client saw of an operation, and where the log has it: the entry that did it, or up to which a read was served. */
export interface LoggedObservation extends Observation {
  readonly index: Index;
}

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
  readonly #byKey = new Map<string, LoggedObservation[]>();
  readonly #unknown: { readonly key: string; readonly write: UnknownWrite }[] = [];
  #searched = 0;

  add(key: string, observation: LoggedObservation): void {
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

  /** Keys of which the order of the log was no explanation, so that one had to be searched for. */
  get searched(): number {
    return this.#searched;
  }

  /**
   * Each key's history must have an order that explains it: most often that of the log, which is tried first. What became of writes that nobody was told of is looked up in
   * what was applied: left open, a few dozen of them would make the search endless.
   */
  check(ledger: Ledger): void {
    this.#settleUnknown(ledger);
    for (const [key, history] of this.#byKey) {
      if (isLinearization(history.toSorted(byLog))) continue;
      this.#searched++;
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
      if (execution === undefined) continue;
      const { index, appliedAtMs } = execution;
      this.add(key, { operation, invokedAt, returnedAt: appliedAtMs, index });
    }
  }
}

/** By place in the log; a read sees the entry up to which it was served. */
function byLog(a: LoggedObservation, b: LoggedObservation): number {
  const reads = ({ operation }: LoggedObservation): number => (operation.kind === "get" ? 1 : 0);
  return a.index - b.index || reads(a) - reads(b) || a.invokedAt - b.invokedAt;
}

function describe(history: readonly Observation[]): string {
  return [...history]
    .sort((a, b) => a.invokedAt - b.invokedAt)
    .map(({ operation, invokedAt, returnedAt }) => `  ${invokedAt}..${returnedAt ?? "?"} ${JSON.stringify(operation)}`)
    .join("\n");
}
