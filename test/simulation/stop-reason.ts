import { RaftKvError } from "../../src/lib/errors.ts";
import { BrokenRule, check } from "./broken-rule.ts";
import type { MemberProcess } from "./member-process.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** A process ended itself, or did not come up. Damage, failed writes and writes that do not end are reasons; nothing else is. */
export function checkStopReason({ coverage, plan }: World, member: SimMember, process: MemberProcess, error: unknown) {
  if (error instanceof BrokenRule) throw error;
  const { id, damage, disk } = member;
  const code = error instanceof RaftKvError ? error.code : undefined;
  const corrupt = isCorrupt(error);
  // Before the store is open a failed write says nothing more than that.
  if (process.writeFailed && (code === "WRITE_FAILED" || member.replica === undefined)) return;
  if (damage === "wiped") return;
  if (code === "WRITE_STALLED") {
    coverage.saw("stoppedByStalledWrite");
    const waitedMs = disk.oldestWriteAgeMs * process.machine.rate;
    const { writeStallMsMax } = plan.options;
    check(
      waitedMs >= writeStallMsMax,
      "writes are waited for",
      () => `${id} gives up a write after ${waitedMs} ms; the limit is ${writeStallMsMax}`,
    );
  } else if (process.misread && corrupt) coverage.saw("misreadRefused");
  else if (damage === "lostTail" && code === "LOG_CORRUPT") coverage.saw("lostTailRefused");
  else if (damage === "rotten" && corrupt) coverage.saw("rotRefused");
  else {
    const told = (): string => `${id}: ${error instanceof Error ? error.stack : String(error)}`;
    check(false, "no member stops by itself", told);
  }
}

/** Whether damage was met: at a read, or by a write that had to read first. */
function isCorrupt(error: unknown): boolean {
  if (!(error instanceof RaftKvError)) return false;
  const { code, cause } = error;
  return code === "LOG_CORRUPT" || code === "STATE_CORRUPT" || (code === "WRITE_FAILED" && isCorrupt(cause));
}
