import { RaftKvError } from "../../lib/errors.ts";
import { exitCodes } from "../exit-code.ts";
import type { ProcessHost } from "../process-host.ts";
import { withTimeout } from "../with-timeout.ts";
import { type DevMember, type DevOptions, planDevCluster } from "./dev-plan.ts";
import { findBusyPorts } from "./find-busy-ports.ts";
import { formatLogLine } from "./format-log-line.ts";
import { type MemberProcess, startMemberProcess } from "./member-process.ts";
import { nextSteps } from "./next-steps.ts";
import { type Leader, type LeaderView, watchLeader } from "./watch-leader.ts";

// ports free? ──> start every member ──> tell who leads ──Ctrl-C──> SIGTERM to all ──late──> SIGKILL
//                     └─ one ends by itself: say so, let the others go on, exit with 1

/** What `dev` needs of its surroundings. */
export interface DevHost {
  readonly process: Pick<ProcessHost, "onceToldToStop">;
  /** What starts a member when its flags follow. */
  readonly command: readonly [string, ...string[]];
  /** Asks one member, by its client address; rejects when it does not answer. */
  readonly readView: (clientAddress: string) => Promise<LeaderView>;
  readonly print: (line: string) => void;
  readonly colour: boolean;
  /** Time from SIGTERM to SIGKILL, milliseconds. */
  readonly stopTimeoutMs: number;
  /** Time between two looks at who leads, milliseconds. */
  readonly pollIntervalMs: number;
}

interface DevProcess {
  readonly member: DevMember;
  readonly process: MemberProcess;
}

/** Runs a cluster of real member processes until told to stop or the last one has ended; returns the exit code. */
export async function dev(options: DevOptions, host: DevHost): Promise<number> {
  const plan = planDevCluster(options);
  await checkPorts(plan);
  const stop = host.process.onceToldToStop();
  const stopping = new AbortController();
  const running = plan.map((member, position) => startMember(member, position, host));
  let failed = false;
  const ends = running.map(async ({ member, process }) => {
    const { reason, clean } = await process.ended;
    if (stopping.signal.aborted) {
      if (!clean) host.print(`${member.name} did not stop cleanly: ${reason}`);
      failed ||= !clean;
      return;
    }
    failed = true;
    host.print(`${member.name} has ended by itself (${reason}). It is not started again; the others go on.`);
  });
  const allEnded = Promise.all(ends);
  const watching = watchLeader({
    readViews: () => readViews(plan, host),
    onLeader: leaderTeller(plan, host),
    intervalMs: host.pollIntervalMs,
    signal: stopping.signal,
  });

  const why = await Promise.race([stop.told, allEnded.then(() => undefined)]);
  if (why === undefined) host.print("every member has ended");
  else host.print(`${why}: stopping ${plan.length} members`);
  stopping.abort();
  await stopAll(running, allEnded, host);
  await watching;
  stop.ignore();
  return failed ? exitCodes.error : exitCodes.ok;
}

async function checkPorts(plan: readonly DevMember[]): Promise<void> {
  const busy = await findBusyPorts(plan.flatMap((member) => member.ports));
  if (busy.length === 0) return;
  const what = busy.length === 1 ? `port ${busy[0]} is` : `ports ${busy.join(", ")} are`;
  const hint = "stop what listens there, or choose others with --client-port, --peer-port and --metrics-port";
  throw new RaftKvError("ADDRESS_IN_USE", `${what} in use on 127.0.0.1; ${hint}`);
}

function startMember(member: DevMember, position: number, host: DevHost): DevProcess {
  const plain = `${member.name} | `;
  const prefix = host.colour ? `\u001b[${31 + ((position + 1) % 6)}m${plain}\u001b[0m` : plain;
  const process = startMemberProcess([...host.command, ...member.flags], (line) => {
    host.print(prefix + formatLogLine(line));
  });
  return { member, process };
}

async function readViews(plan: readonly DevMember[], host: DevHost): Promise<LeaderView[]> {
  const answers = await Promise.allSettled(plan.map((member) => host.readView(member.clientAddress)));
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
}

/** Says who leads and, the first time, what to type next. */
function leaderTeller(plan: readonly DevMember[], host: DevHost): (leader: Leader | undefined) => void {
  let told = false;
  return (leader) => {
    if (leader === undefined) return host.print("nobody leads");
    host.print(`${leader.name} leads (term ${leader.term})`);
    if (!told) for (const line of nextSteps(plan)) host.print(line);
    told = true;
  };
}

async function stopAll(running: readonly DevProcess[], allEnded: Promise<unknown>, host: DevHost): Promise<void> {
  for (const { process } of running) process.kill("SIGTERM");
  if (await withTimeout(allEnded, host.stopTimeoutMs)) return;
  host.print(`not stopped after ${host.stopTimeoutMs} ms: killing what is left`);
  for (const { process } of running) process.kill("SIGKILL");
  await allEnded;
}
