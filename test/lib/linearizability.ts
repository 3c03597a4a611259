/** One operation on one key. What is `undefined` in it was not learnt, because no answer came. */
export type Operation =
  | { readonly kind: "get"; readonly output: string | null }
  | { readonly kind: "put"; readonly value: string }
  | { readonly kind: "delete" }
  /** Writes `value` if the key holds `expected` (`null`: does not exist). Values of one key must be unique then. */
  | {
      readonly kind: "cas";
      readonly expected: string | null;
      readonly value: string;
      readonly applied: boolean | undefined;
    }
  | { readonly kind: "increment"; readonly delta: number; readonly output: number | undefined };

/** An operation as a client saw it. Times are of one clock. */
export interface Observation {
  readonly operation: Operation;
  readonly invokedAt: number;
  /** `null` when the outcome is unknown: it may take effect at any later time, or never. */
  readonly returnedAt: number | null;
}

/** "undecided" means that the limit of steps was reached: to be treated as a failure to check, not as a pass. */
export type Verdict = "linearizable" | "violated" | "undecided";

interface Edge {
  readonly observation: Observation;
  readonly bit: bigint;
  /** The edge at which the same operation returns; `undefined` on returns and on unknown outcomes. */
  match: Edge | undefined;
  readonly isCall: boolean;
  previous: Edge | undefined;
  next: Edge | undefined;
}

/**
 * Tells whether the history of one key has an order that explains every answer and keeps real time (Wing and Gong's
 * search with Lowe's cache of visited states). A history of many keys is linearizable if that of each key is.
 * `stepsMax` is 2 000 000 by default.
 */
export function checkLinearizability(history: readonly Observation[], stepsMax = 2_000_000): Verdict {
  let pending = history.filter((observation) => observation.returnedAt !== null).length;
  const first = linkEdges(history);
  const visited = new Set<string>();
  const taken: { readonly edge: Edge; readonly stateBefore: string | null }[] = [];
  let state: string | null = null;
  let linearized = 0n;
  let edge = first.next;
  for (let steps = 0; pending > 0; steps++) {
    if (steps === stepsMax) return "undecided";
    const after: string | null | undefined = edge?.isCall ? apply(state, edge.observation.operation) : undefined;
    if (edge !== undefined && after !== undefined) {
      const configuration = `${(linearized | edge.bit).toString(36)} ${JSON.stringify(after)}`;
      if (!visited.has(configuration)) {
        visited.add(configuration);
        taken.push({ edge, stateBefore: state });
        state = after;
        linearized |= edge.bit;
        if (edge.match !== undefined) pending--;
        unlink(edge);
        edge = first.next;
        continue;
      }
    }
    if (edge?.isCall) {
      edge = edge.next;
      continue;
    }
    const undone = taken.pop();
    if (undone === undefined) return "violated";
    relink(undone.edge);
    if (undone.edge.match !== undefined) pending++;
    state = undone.stateBefore;
    linearized &= ~undone.edge.bit;
    edge = undone.edge.next;
  }
  return "linearizable";
}

/**
 * Tells whether these operations, taken in this very order, explain every answer and keep real time; one whose outcome is
 * unknown counts as having taken effect. True proves the history linearizable, false proves nothing: see {@link checkLinearizability}.
 */
export function isLinearization(order: readonly Observation[]): boolean {
  let state: string | null = null;
  let latestCall = Number.NEGATIVE_INFINITY;
  for (const { operation, invokedAt, returnedAt } of order) {
    latestCall = Math.max(latestCall, invokedAt);
    // What had returned before another was called cannot stand behind it.
    if (returnedAt !== null && returnedAt < latestCall) return false;
    const after = apply(state, operation);
    if (after === undefined) return false;
    state = after;
  }
  return true;
}

/** The state after `operation`, or `undefined` when its answer is impossible in `state`. */
function apply(state: string | null, operation: Operation): string | null | undefined {
  switch (operation.kind) {
    case "get":
      return operation.output === state ? state : undefined;
    case "put":
      return operation.value;
    case "delete":
      return null;
    case "cas": {
      const holds = state === operation.expected;
      if (operation.applied !== undefined && operation.applied !== holds) return undefined;
      return holds ? operation.value : state;
    }
    case "increment": {
      const sum = Number(state ?? "0") + operation.delta;
      return operation.output === undefined || operation.output === sum ? String(sum) : undefined;
    }
  }
}

function linkEdges(history: readonly Observation[]): Edge {
  const timed: { readonly at: number; readonly edge: Edge }[] = [];
  history.forEach((observation, position) => {
    const bit = 1n << BigInt(position);
    const call: Edge = { observation, bit, match: undefined, isCall: true, previous: undefined, next: undefined };
    timed.push({ at: observation.invokedAt, edge: call });
    if (observation.returnedAt === null) return;
    call.match = { observation, bit, match: undefined, isCall: false, previous: undefined, next: undefined };
    timed.push({ at: observation.returnedAt, edge: call.match });
  });
  // At equal times calls come first: the two operations count as concurrent.
  timed.sort((a, b) => a.at - b.at || Number(b.edge.isCall) - Number(a.edge.isCall));
  const none: Observation = { operation: { kind: "delete" }, invokedAt: 0, returnedAt: null };
  const head: Edge = {
    observation: none,
    bit: 0n,
    match: undefined,
    isCall: false,
    previous: undefined,
    next: undefined,
  };
  let last = head;
  for (const { edge } of timed) {
    last.next = edge;
    edge.previous = last;
    last = edge;
  }
  return head;
}

function unlink(call: Edge): void {
  for (const edge of [call, call.match]) {
    if (edge?.previous !== undefined) edge.previous.next = edge.next;
    if (edge?.next !== undefined) edge.next.previous = edge.previous;
  }
}

/** Undoes {@link unlink}; calls must be relinked in the opposite order. */
function relink(call: Edge): void {
  for (const edge of [call.match, call]) {
    if (edge?.previous !== undefined) edge.previous.next = edge;
    if (edge?.next !== undefined) edge.next.previous = edge;
  }
}
