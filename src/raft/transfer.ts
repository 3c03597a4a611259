import { isVoter, type MemberId } from "./configuration.ts";
import { configurationOf, type RaftState } from "./raft-state.ts";

/** Why leadership was not handed over; nothing changed. */
export type TransferRefusal = "NOT_LEADER" | "TARGET_NOT_VOTER" | "TRANSFER_IN_PROGRESS";

/** Begins to hand leadership to `target`, or to the voter that is furthest along; returns why not, or the target. */
export function transferLeadership(
  state: RaftState,
  target: MemberId | null,
): { readonly target: MemberId } | TransferRefusal {
  if (state.role !== "leader") return "NOT_LEADER";
  if (state.transfer !== null) return "TRANSFER_IN_PROGRESS";
  const chosen = target ?? bestVoter(state);
  if (chosen === null || chosen === state.id || !isVoter(configurationOf(state), chosen)) return "TARGET_NOT_VOTER";
  state.transfer = { target: chosen, elapsedMs: 0, asked: false };
  return { target: chosen };
}

/** The other voter that is furthest along, one that was heard from lately before any that was not; `null` without another voter. */
export function bestVoter(state: RaftState): MemberId | null {
  const configuration = configurationOf(state);
  const { nowMs, options } = state;
  const candidates = [...state.progress].filter(([id]) => isVoter(configuration, id));
  candidates.sort(([, a], [, b]) => {
    const aIsHeard = a.isHeard(nowMs, options.electionTimeoutMs);
    if (aIsHeard !== b.isHeard(nowMs, options.electionTimeoutMs)) return aIsHeard ? -1 : 1;
    return b.matchIndex - a.matchIndex;
  });
  return candidates[0]?.[0] ?? null;
}

/** Asks the target to campaign once it has everything, and only once: its answer is an election. */
export function continueTransfer(state: RaftState): void {
  const { transfer } = state;
  if (transfer === null || transfer.asked) return;
  if (state.progress.get(transfer.target)?.matchIndex !== state.log.lastIndex) return;
  transfer.asked = true;
  sendTimeoutNow(state, transfer.target);
}

/** Gives a transfer up that has taken an election timeout: the target is gone, or too slow. */
export function tickTransfer(state: RaftState, elapsedMs: number): void {
  const { transfer } = state;
  if (transfer === null) return;
  transfer.elapsedMs += elapsedMs;
  if (transfer.elapsedMs >= state.options.electionTimeoutMs) state.transfer = null;
}

/** Tells a member to campaign at once, now or whenever it hears of it, whatever the others have promised. */
export function sendTimeoutNow(state: RaftState, to: MemberId): void {
  state.leaseVoid = true;
  state.messages.push({ type: "TimeoutNowRequest", from: state.id, to, term: state.term });
}
