import type { KvReader } from "./kv-reader.ts";
import { divergedRefusal, type RefusalContext, readFailureRefusal } from "./refusals.ts";
import type { Refusal } from "./status.ts";
import type { UnaryCall } from "./unary-call.ts";
import type { ReadPolicy } from "./validate-request.ts";

// How long to wait before asking a member again that was behind: about what a follower needs to catch up by.
const behindRetryMs = 100;

/** What reading needs of a call. */
export type ReadCall = Pick<UnaryCall<unknown, unknown>, "deadlineMs" | "forward" | "proceed" | "refuse">;

/** A read of the local state, and what is done with what it gave; it may be made again before it is answered. */
export interface LocalRead<Response> {
  /** Whether it tells of pairs, and not of the configuration alone, which is right where the state is known to be wrong. */
  readonly ofPairs: boolean;
  readonly read: () => Response;
  readonly answer: (response: Response) => void;
}

/**
 * Reads and answers when the local state is fresh enough for `policy`, in the same turn in which that holds; refuses the call
 * when it does not become so before the deadline (thesis, section 6.4, for the linearizable case).
 */
export function whenFresh<Response>(
  call: ReadCall,
  policy: ReadPolicy,
  environment: RefusalContext,
  reader: KvReader,
  local: LocalRead<Response>,
): void {
  const { ofPairs, read, answer } = local;
  if (!policy.linearizable) {
    whenRevisionReached(call, policy, environment, reader, () => {
      const wrong = ofPairs && environment.replica.isDiverged();
      const refusal = wrong ? divergedRefusal(environment) : stalenessRefusal(policy, environment);
      if (refusal !== undefined) call.refuse(refusal);
      else answer(read());
    });
    return;
  }
  const serve = (isCurrent: () => boolean): void => {
    const response = read();
    // The clock is looked at once more when everything is read: a lease that is over by now stands for nothing.
    if (isCurrent()) answer(response);
    else whenFresh(call, policy, environment, reader, local);
  };
  environment.replica.readIndex(call, (failure, isCurrent) => {
    if (failure !== undefined) call.refuse(readFailureRefusal(failure, environment));
    else call.proceed(() => whenRevisionReached(call, policy, environment, reader, () => serve(isCurrent)));
  });
}

function whenRevisionReached(
  call: ReadCall,
  policy: ReadPolicy,
  environment: RefusalContext,
  reader: KvReader,
  serve: () => void,
): void {
  const reached = () => reader.revision() >= policy.minRevision;
  if (reached()) {
    serve();
    return;
  }
  environment.replica.waitApplied(reached, call.deadlineMs, (inTime) => {
    if (inTime) call.proceed(serve);
    else call.refuse(revisionNotReached(policy.minRevision, reader.revision()));
  });
}

function revisionNotReached(wanted: number, revision: number): Refusal {
  return {
    reason: "REVISION_NOT_REACHED",
    message: `the state of this member is at revision ${revision}; min_revision ${wanted} was not reached in time`,
    metadata: { revision: String(revision), min_revision: String(wanted) },
    retryDelayMs: behindRetryMs,
  };
}

/**
 * The bound is on the contact with a leader, which says nothing about a member that has only just begun to read the log again;
 * so that has to be over too.
 */
function stalenessRefusal({ staleMsMax }: ReadPolicy, environment: RefusalContext): Refusal | undefined {
  if (staleMsMax === undefined) return undefined;
  const { leaderContactAgeMs: age, caughtUp } = environment.replica.freshness();
  if (caughtUp && age !== null && age <= staleMsMax) return undefined;
  return {
    reason: "TOO_STALE",
    message: `this member ${whyStale(age, caughtUp)}; max_staleness is ${staleMsMax} ms`,
    metadata: {
      age_ms: age === null ? "" : String(Math.round(age)),
      max_staleness_ms: String(staleMsMax),
      caught_up: String(caughtUp),
    },
    retryDelayMs: behindRetryMs,
  };
}

function whyStale(age: number | null, caughtUp: boolean): string {
  if (age === null) return "has heard from no leader since it started";
  const heard = `last heard from a leader ${Math.round(age)} ms ago`;
  return caughtUp ? heard : `${heard} and has not caught up since it started`;
}
