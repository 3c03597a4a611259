import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { LeaderProxy, PassedAnswer } from "./leader-proxy.ts";
import { leaderHint, notProposedRefusal } from "./refusals.ts";
import { isReason, type Refusal } from "./status.ts";
import type { CallEnvironment, UnaryCall } from "./unary-call.ts";

/** Runs `here` if this member leads; otherwise passes the call on to the leader, unless its caller does not want that. */
export function atLeader<I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<MessageShape<I>, MessageShape<O>>,
  method: DescMethodUnary<I, O>,
  environment: CallEnvironment,
  proxy: LeaderProxy,
  here: () => void,
): void {
  const { replica, identity } = environment;
  const { leaderId, leaderAddress: address } = leaderHint(environment);
  if (leaderId === null) call.refuse(notProposedRefusal("NO_LEADER", environment));
  else if (leaderId === identity.memberId) here();
  else if (!call.forward || address === "") call.refuse(notProposedRefusal("NOT_LEADER", environment));
  else {
    const timeoutMs = Math.max(1, call.deadlineMs - replica.now());
    proxy.pass(method, call.request, { address, timeoutMs }).then(
      (answer) => (answer.ok ? call.answer(answer.response) : call.refuse(passedRefusal(answer, address))),
      (error: unknown) => call.fail(error),
    );
  }
}

function passedRefusal(answer: PassedAnswer<unknown> & { ok: false }, address: string): Refusal {
  const { reason, message, metadata, retryDelayMs, sent } = answer;
  if (reason !== null && isReason(reason)) {
    return { reason, message, metadata, ...(retryDelayMs > 0 && { retryDelayMs }) };
  }
  if (!sent) {
    const unreached = `the leader at ${address} cannot be reached (${message}); nothing was changed`;
    return { reason: "NOT_LEADER", message: unreached, metadata: { leader_address: address } };
  }
  return {
    reason: "OUTCOME_UNKNOWN",
    message: `passed on to the leader at ${address}, whose answer is missing (${message}); look before trying again`,
    metadata: { leader_address: address },
  };
}
