import { create } from "@bufbuild/protobuf";
import {
  type GetHashRequest,
  type GetHashResponse,
  GetHashResponseSchema,
  MaintenanceService,
} from "../gen/raftkv/v1/maintenance_service_pb.ts";
import type { HashOutcome } from "../replica/hash-waiters.ts";
import type { LeaderProxy } from "./leader-proxy.ts";
import { administrationOverloadedRefusal, leaderHint, notProposedRefusal, shuttingDownRefusal } from "./refusals.ts";
import { responseHeader } from "./response-header.ts";
import type { ServiceHandlers } from "./service-definition.ts";
import type { Refusal } from "./status.ts";
import { type CallEnvironment, type UnaryCall, unaryHandler } from "./unary-call.ts";
import { revisionRefusal } from "./validate-request.ts";

// A new checkpoint, asked of a follower:
//
//   GetHash ──> follower ──GetHash, not to be passed on──> leader: an entry that changes nothing, hashed when it is applied
//                  '<── index ──'  and then the follower's own hash at that index

type HashCall = UnaryCall<GetHashRequest, GetHashResponse>;

/** Handler of GetHash. */
export function getHashHandler(
  environment: CallEnvironment,
  proxy: LeaderProxy,
): ServiceHandlers<typeof MaintenanceService>["getHash"] {
  return unaryHandler(environment, (call) => getHash(call, environment, proxy));
}

function getHash(call: HashCall, environment: CallEnvironment, proxy: LeaderProxy): void {
  const { index } = call.request;
  const refusal = revisionRefusal(index, "index");
  if (refusal !== undefined) call.refuse(refusal);
  else if (index !== undefined) answerWithHash(call, environment, Number(index));
  else takeCheckpoint(call, environment, proxy);
}

function takeCheckpoint(call: HashCall, environment: CallEnvironment, proxy: LeaderProxy): void {
  const { replica, identity } = environment;
  const { leaderId, leaderAddress: address } = leaderHint(environment);
  if (leaderId === null) call.refuse(notProposedRefusal("NO_LEADER", environment));
  else if (leaderId === identity.memberId) answerWithHash(call, environment, null);
  else if (!call.forward || address === "") call.refuse(notProposedRefusal("NOT_LEADER", environment));
  else {
    const timeoutMs = Math.max(1, call.deadlineMs - replica.now());
    proxy.pass(MaintenanceService.method.getHash, call.request, { address, timeoutMs }).then(
      (answer) =>
        call.proceed(() => {
          // A leader that has not hashed its own state in time has taken the checkpoint all the same.
          const taken = answer.ok ? String(answer.response.index) : answer.metadata["index"];
          if (taken !== undefined) answerWithHash(call, environment, Number(taken));
          else if (!answer.ok) call.refuse(leaderFailed(address, answer.message));
        }),
      (error: unknown) => call.fail(error),
    );
  }
}

/** Answers with this member's hash at `index`, or at a new checkpoint of its own. */
function answerWithHash(call: HashCall, environment: CallEnvironment, index: number | null): void {
  environment.replica.hashState(index, call.deadlineMs, (outcome) => {
    if (outcome.type !== "hashed") {
      call.refuse(hashRefusal(outcome, index, environment));
      return;
    }
    const { result } = outcome;
    call.proceed(() =>
      call.answer(
        create(GetHashResponseSchema, {
          header: responseHeader(environment, BigInt(result.revision)),
          index: BigInt(result.index),
          revision: BigInt(result.revision),
          hash: result.hash,
          rows: BigInt(result.rows),
          sizeBytes: BigInt(result.bytes),
          stateVersion: result.stateVersion,
        }),
      ),
    );
  });
}

function hashRefusal(
  outcome: Exclude<HashOutcome, { type: "hashed" }>,
  asked: number | null,
  environment: CallEnvironment,
): Refusal {
  if (environment.draining) return shuttingDownRefusal(environment);
  if (outcome.type === "overloaded") return administrationOverloadedRefusal("requests for a hash", outcome);
  if (outcome.type === "notLeader") return notProposedRefusal("NOT_LEADER", environment);
  const index = outcome.type === "late" ? outcome.index : asked;
  const at = index === null ? "a new checkpoint" : `index ${index}`;
  const metadata = index === null ? {} : { index: String(index) };
  const { name } = environment.identity;
  if (outcome.type === "late") {
    const message = `member ${name} has not hashed its state at ${at} in time; ask for that index again`;
    return { reason: "DEADLINE_EXCEEDED", message, metadata };
  }
  const message = `member ${name} has no hash at ${at}: it is no checkpoint, an old one, or one that this member passed over`;
  return { reason: "HASH_UNKNOWN", message, metadata };
}

function leaderFailed(address: string, message: string): Refusal {
  return {
    reason: "NOT_LEADER",
    message: `the leader at ${address} took no checkpoint (${message}); nothing was changed`,
    metadata: { leader_address: address },
  };
}
