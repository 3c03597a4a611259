import { ClientError, type StatusName } from "../client/client-error.ts";
import { RaftKvError } from "../lib/errors.ts";

/** What each exit code means; stable, for scripts (docs/cli.md). */
export const exitCodes = {
  ok: 0,
  /** Anything that no other code names. */
  error: 1,
  /** A flag, argument or setting is wrong. */
  usage: 2,
  notFound: 3,
  /** `--if-mod-revision` did not match, or the cluster's state stands against the command; nothing was changed. */
  preconditionFailed: 4,
  /** Nobody answered, nobody leads, or time was up; trying again may help. */
  unavailable: 5,
  /** The member's directory does not hold what the member has acknowledged: it has to be replaced, another start would not help. */
  dataLost: 6,
  /** A broken invariant, as in sysexits(3). */
  software: 70,
  /** The member killed itself: a disk write did not end, and a process that exits waits for its threads. 128 + SIGKILL. */
  killed: 137,
} as const;

/** Statuses behind which trying again may help. */
const unavailable: readonly StatusName[] = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"];

/** Reasons that name a state of the cluster in which the command makes no sense, or is not safe. */
const againstCommand: readonly string[] = [
  "MEMBER_EXISTS",
  "TOO_MANY_MEMBERS",
  "NOT_A_LEARNER",
  "LEARNER_NOT_READY",
  "CONFIG_CHANGE_IN_PROGRESS",
  "CONFIGURATION_CHANGED",
  "QUORUM_AT_RISK",
  "TARGET_INVALID",
  "TRANSFER_IN_PROGRESS",
];

/** The exit code of an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof RaftKvError) return error.code === "CONFIG_INVALID" ? exitCodes.usage : exitCodes.error;
  if (!(error instanceof ClientError)) return exitCodes.error;
  if (error.reason === "MEMBER_UNKNOWN") return exitCodes.notFound;
  if (againstCommand.includes(error.reason ?? "")) return exitCodes.preconditionFailed;
  return unavailable.includes(error.code) ? exitCodes.unavailable : exitCodes.error;
}
