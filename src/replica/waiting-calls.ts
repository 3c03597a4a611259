/** A call that waits for its outcome. */
export interface WaitingCall<Outcome> {
  /** Monotonic time after which nobody waits any more. */
  readonly deadlineMs: number;
  /** Called exactly once. */
  readonly done: (outcome: Outcome) => void;
}

/** As many calls of this kind wait as may (`pendingAdministrationMax`): nothing was begun. */
export interface Overloaded {
  readonly type: "overloaded";
  readonly limit: number;
}

/** Calls of one kind that wait, in the order in which they came: a bounded number, and each is ended once. */
export class WaitingCalls<Outcome, Call extends WaitingCall<Outcome | Overloaded>> {
  readonly #limit: number;
  readonly #calls = new Set<Call>();

  /** `limit` is how many may wait. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The one that has waited longest; `undefined` when none does. */
  get first(): Call | undefined {
    return this.#calls.values().next().value;
  }

  /** Takes a call on, or ends it as overloaded. */
  add(call: Call): void {
    if (!this.refuses(call)) this.#calls.add(call);
  }

  /** Ends a call as overloaded if no more are taken on; tells whether it did. */
  refuses({ done }: Pick<Call, "done">): boolean {
    if (this.#calls.size < this.#limit) return false;
    done({ type: "overloaded", limit: this.#limit });
    return true;
  }

  /** Ends the calls for which `outcomeOf` has an outcome. One for which it throws waits on. */
  settle(outcomeOf: (call: Call) => Outcome | undefined): void {
    for (const call of this.#calls) {
      const outcome = outcomeOf(call);
      if (outcome !== undefined) this.take(call).done(outcome);
    }
  }

  /** Forgets a call, which the caller ends. */
  take(call: Call): Call {
    this.#calls.delete(call);
    return call;
  }
}
