import type { MemberConfig } from "../config/member-config.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { ProcessLog } from "./create-logger.ts";
import { exitCodes } from "./exit-code.ts";
import type { ProcessHost } from "./process-host.ts";
import type { RunningMember, StartMember } from "./running-member.ts";
import { withTimeout } from "./with-timeout.ts";

// start ──> serve ──SIGTERM, SIGINT, parent gone──> hand over ──> drain ──> close ──> 0
//   └────────┴──── cannot start, or fatal ─────────────────────────────> log ──> 1, 6 when data is gone, 70 when an invariant broke
//
// 137 stands for SIGKILL, which the caller sends: a thread hangs at the disk, and an exit would wait for it.

/** How long closing, and writing the last log lines, may take, milliseconds. */
const [closeTimeoutMs, logTimeoutMs] = [5000, 1000];

/** Runs a member until it is told to stop, and returns the process's exit code; everything is closed and logged by then. */
export async function serve(
  config: MemberConfig,
  log: ProcessLog,
  start: StartMember,
  host: ProcessHost,
): Promise<number> {
  const stop = host.onceToldToStop();
  const stopWatching = host.onUncaught((error) => {
    logFatal(log, error);
    void log.close(logTimeoutMs).finally(() => host.exit(exitCodeOfFatal(error)));
  });
  try {
    const starting = start(config, log);
    // A member that is told to stop while it starts, such as one that waits to be added, has nothing to drain.
    const member = await Promise.race([starting, stop.told]);
    if (typeof member === "string") {
      starting.catch(() => {});
      log.info({ why: member }, "stopping before it served");
      return exitCodes.ok;
    }
    log.info({ ...member.facts }, "serving");
    const why = await Promise.race([stop.told, member.fatal]);
    log.info({ why, drainTimeoutMs: config.drainTimeoutMs }, "stopping");
    const code = await stopMember(member, config, log);
    if (code === exitCodes.ok) log.info({}, "stopped");
    return code;
  } catch (error) {
    logFatal(log, error);
    return exitCodeOfFatal(error);
  } finally {
    await log.close(logTimeoutMs);
    stopWatching();
    stop.ignore();
  }
}

/**
 * Hands leadership over, drains, then closes. What outlasts its time is left to the end of the process: everything acknowledged
 * is durable.
 */
async function stopMember(member: RunningMember, config: MemberConfig, log: ProcessLog): Promise<number> {
  const { electionTimeoutMs, drainTimeoutMs } = config;
  // While calls are still taken, so that what arrives meanwhile waits for the next leader; however short the drain may be.
  await withTimeout(Promise.race([member.handOver(), member.fatal]), electionTimeoutMs);
  const begun = member.requestsUnderWay();
  const drained = await withTimeout(Promise.race([member.drain(), member.fatal]), drainTimeoutMs);
  // Without a drain time all of them are cut at once, and not counted any more.
  const requests = drainTimeoutMs === 0 ? begun : member.requestsUnderWay();
  if (!drained && requests > 0)
    log.warn({ drainTimeoutMs, requests }, "requests were still under way when the drain time was up");
  const closed = await withTimeout(member.close(), closeTimeoutMs);
  if (closed) return exitCodes.ok;
  log.error({ closeTimeoutMs }, "closing did not end in time; the process kills itself");
  return exitCodes.killed;
}

function logFatal(log: ProcessLog, error: unknown): void {
  if (error instanceof RaftKvError) log.fatal({ code: error.code, err: error }, error.message);
  else log.fatal({ err: error }, error instanceof Error ? error.message : "stopped by an error");
}

/** An operating error is the surroundings' fault; anything else is this program's. */
function exitCodeOfFatal(error: unknown): number {
  if (!(error instanceof RaftKvError)) return exitCodes.software;
  if (error.code === "DATA_LOST") return exitCodes.dataLost;
  return error.code === "WRITE_STALLED" ? exitCodes.killed : exitCodes.error;
}
