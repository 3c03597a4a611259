import type { RequestId } from "../../src/kv/command.ts";
import { encodeDelete, encodeIncrement, encodePut, type PutParts } from "../../src/server/encode-command.ts";
import type { ReadPolicy } from "../../src/server/validate-request.ts";
import { utf8 } from "../kv/driver.ts";
import type { Operation } from "../lib/linearizability.ts";
import type { Dice } from "./dice.ts";
import type { WorkloadPlan } from "./plan.ts";

/** A read, and how fresh it has to be. */
export interface ReadPlan {
  readonly kind: "read";
  readonly key: string;
  readonly policy: ReadPolicy;
}

/** A command, as the model of the history has it and as it is sent. */
export interface WritePlan {
  readonly kind: "write";
  readonly key: string;
  readonly operation: Exclude<Operation, { readonly kind: "get" }>;
  /** Encoded as the service does it. */
  readonly command: (requestId: RequestId | undefined) => Uint8Array;
  /** Whether the command's bytes are no other's, with no request id in them either. */
  readonly unique: boolean;
}

/** What a client knows of a key from its last read. */
export interface KnownValue {
  readonly value: string | null;
  readonly modRevision: number;
}

/** Draws what a client does next. `fresh` makes a value that nobody else writes. */
export function drawOperation(
  dice: Dice,
  plan: WorkloadPlan,
  known: ReadonlyMap<string, KnownValue>,
  revision: number,
  fresh: () => string,
): ReadPlan | WritePlan {
  const counts = dice.chance(0.3);
  const key = counts ? `n${dice.whole(1, plan.counters)}` : `k${dice.whole(1, plan.registers)}`;
  if (dice.chance(plan.readShare)) {
    return { kind: "read", key, policy: drawPolicy(dice, plan, revision) };
  }
  return counts ? drawIncrement(dice, key) : drawWrite(dice, plan, key, known.get(key), fresh);
}

function drawPolicy(dice: Dice, { attemptTimeoutMs }: WorkloadPlan, revision: number): ReadPolicy {
  const any: ReadPolicy = { linearizable: false, staleMsMax: undefined, minRevision: 0 };
  switch (dice.weighted({ linearizable: 7, linearizableFrom: 1, any: 1, from: 1, bounded: 2 })) {
    case "linearizable":
      return { ...any, linearizable: true };
    case "linearizableFrom":
      return { ...any, linearizable: true, minRevision: revision };
    case "any":
      return any;
    case "from":
      // What is still to come is waited for, until the deadline.
      return { ...any, minRevision: revision + dice.pick([0, 0, 1, dice.whole(2, 20)]) };
    case "bounded":
      return { ...any, staleMsMax: dice.pick([0, dice.real(0, 0.1), dice.real(0, 1)]) * attemptTimeoutMs };
  }
}

function drawIncrement(dice: Dice, key: string): WritePlan {
  const delta = dice.whole(1, 9);
  return {
    kind: "write",
    key,
    operation: { kind: "increment", delta, output: undefined },
    command: (requestId) => encodeIncrement({ delta: BigInt(delta), returnPrevious: false, requestId }, utf8(key)),
    unique: false,
  };
}

function drawWrite(
  dice: Dice,
  plan: WorkloadPlan,
  key: string,
  known: KnownValue | undefined,
  fresh: () => string,
): WritePlan {
  const value = fresh().padEnd(dice.whole(0, plan.valueBytesMax), ".");
  const kind = dice.weighted({ put: 5, cas: known === undefined ? 0 : 4, delete: 1.5 });
  if (kind === "delete") {
    const command = (requestId?: RequestId) => encodeDelete({ returnPrevious: false, requestId }, utf8(key));
    return { kind: "write", key, operation: { kind }, command, unique: false };
  }
  if (kind === "put" || known === undefined) {
    const operation = { kind: "put", value } as const;
    return { kind: "write", key, operation, command: (requestId) => putText(key, value, { requestId }), unique: true };
  }
  return {
    kind: "write",
    key,
    operation: { kind: "cas", expected: known.value, value, applied: undefined },
    command: (requestId) => putText(key, value, { requestId, ifModRevision: BigInt(known.modRevision) }),
    unique: true,
  };
}

function putText(key: string, value: string, parts: Pick<PutParts, "requestId" | "ifModRevision">): Uint8Array {
  return encodePut({ payload: { case: "value" }, returnPrevious: false, ...parts }, utf8(key), utf8(value));
}
