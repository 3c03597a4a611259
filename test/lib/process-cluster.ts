import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageShape } from "@bufbuild/protobuf";
import {
  ClusterService,
  GetStatusResponse_RaftRole,
  type GetStatusResponseSchema,
} from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import type { EngineName } from "../../src/storage/engine-directory.ts";
import { type ProcessExit, type StartedProcess, startProcess, stopProcess } from "./child-process.ts";
import { findFreePorts } from "./free-ports.ts";
import { answerOf, createRpcClient, type RpcClient } from "./rpc-client.ts";
import { engineUnderTest } from "./test-engine.ts";
import { waitUntil } from "./wait-until.ts";

/** The command under test; it must have been built. */
export const raftkvCommand = join(import.meta.dirname, "../../bin/raftkv");

/** Answer of GetStatus. */
export type MemberStatus = MessageShape<typeof GetStatusResponseSchema>;

/** A member's place on this machine; it stays the same over restarts. */
export interface ClusterMember {
  readonly name: string;
  readonly dataDirectory: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
  readonly metricsAddress: string;
  readonly client: RpcClient;
}

/** How {@link createProcessCluster} lays out a cluster. */
export interface ClusterOptions {
  /** 3 by default. */
  readonly size?: number;
  /** Flags of Node for the member called `name`, before the script; none by default. */
  readonly nodeFlags?: (name: string) => readonly string[];
  /** A command that runs a member when Node and its arguments follow, in the same process; none by default. */
  readonly runner?: (member: ClusterMember) => readonly string[];
  /** Further flags of `raftkv serve`; none by default. */
  readonly serveFlags?: readonly string[];
  /** Storage engine of the member called `name`; by default that of {@link engineUnderTest}. */
  readonly engineOf?: (name: string) => EngineName;
}

/** Members as real processes on loopback ports, with their data under the system's temporary directory. */
export class ProcessCluster {
  readonly directory: string;
  readonly #members: ClusterMember[];
  readonly #initialCluster: string;
  /** Members that join, whose directories hold no initial cluster. */
  readonly #joining = new Set<string>();
  /** Every member ever laid out. */
  readonly #all: ClusterMember[];
  readonly #options: ClusterOptions;
  readonly #processes = new Map<string, StartedProcess>();
  readonly #paused = new Set<string>();
  /** Members that were told to end; the end of any other is a fault. */
  readonly #stopped = new Set<string>();

  constructor(members: readonly ClusterMember[], directory: string, options: ClusterOptions) {
    this.#members = [...members];
    this.#all = [...members];
    this.#initialCluster = members.map((each) => `${each.name}=${each.peerAddress}`).join(",");
    this.directory = directory;
    this.#options = options;
  }

  /** Members that are laid out and have not been retired; the array follows later changes. */
  get members(): readonly ClusterMember[] {
    return this.#members;
  }

  /** Lays out one more member, which joins the others when it is started. */
  async layOut(name: string): Promise<ClusterMember> {
    const member = placeMember(name, this.directory, await findFreePorts(3));
    this.#joining.add(name);
    this.#all.push(member);
    this.#members.push(member);
    return member;
  }

  /** Empties the directory of a member that is down, and lets it join when it is started again. */
  wipe(name: string): void {
    rmSync(this.member(name).dataDirectory, { recursive: true });
    this.#joining.add(name);
  }

  /** Storage engine of the member called `name`. */
  engineOf(name: string): EngineName {
    return this.#options.engineOf?.(name) ?? engineUnderTest();
  }

  /** Counts a member among the others no more; its process goes on. */
  retire(name: string): void {
    const position = this.#members.indexOf(this.member(name));
    this.#members.splice(position, 1);
  }

  /** The member called `name`; throws when there is none. */
  member(name: string): ClusterMember {
    const found = this.members.find((member) => member.name === name);
    if (found === undefined) throw new Error(`no member ${name}`);
    return found;
  }

  /** The members other than `name`. */
  others(name: string): readonly ClusterMember[] {
    return this.members.filter((member) => member.name !== name);
  }

  /** The process that runs, or ran last, as `name`; throws when it was never started. */
  process(name: string): StartedProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new Error(`${name} was never started`);
    return found;
  }

  /** Members whose process has not ended and is not paused. */
  running(): readonly ClusterMember[] {
    return this.members.filter(
      ({ name }) => this.#processes.get(name)?.isRunning() === true && !this.#paused.has(name),
    );
  }

  /** Starts the named members, or all, without waiting for them to answer. */
  async start(...names: readonly string[]): Promise<void> {
    const chosen = names.length === 0 ? this.members : names.map((name) => this.member(name));
    await Promise.all(
      chosen.map(async (member) => {
        const flags = this.#options.nodeFlags?.(member.name) ?? [];
        const runner = this.#options.runner?.(member) ?? [];
        const args = [...flags, raftkvCommand, ...this.serveArguments(member)];
        const [command = process.execPath, ...rest] = [...runner, process.execPath, ...args];
        this.#stopped.delete(member.name);
        this.#processes.set(member.name, await startProcess(command, rest));
      }),
    );
  }

  /** Arguments of `raftkv` for a member, with `changes` in place of its own name, addresses or directory. */
  serveArguments(member: ClusterMember, changes: Partial<ClusterMember> = {}): string[] {
    const { name, dataDirectory, clientAddress, peerAddress, metricsAddress } = { ...member, ...changes };
    const join = this.#members.filter((other) => other.name !== name).map((other) => other.clientAddress);
    const origin = this.#joining.has(name) ? ["--join", join.join(",")] : ["--initial-cluster", this.#initialCluster];
    const flags = {
      "--name": name,
      "--data-dir": dataDirectory,
      "--client-address": clientAddress,
      "--peer-address": peerAddress,
      "--metrics-address": metricsAddress,
      "--storage-engine": this.engineOf(name),
    };
    return ["serve", ...Object.entries(flags).flat(), ...origin, ...(this.#options.serveFlags ?? [])];
  }

  /** Takes the end of these members, should it come, for no fault, until they are started again. */
  mayEnd(...names: readonly string[]): void {
    for (const name of names) this.#stopped.add(name);
  }

  /** Ends members by SIGKILL, all at once, and waits until they are gone. */
  async kill(...names: readonly string[]): Promise<void> {
    for (const name of names) this.#stopped.add(name);
    const victims = names.map((name) => this.process(name));
    for (const victim of victims) victim.signal("SIGKILL");
    await Promise.all(victims.map((victim) => victim.exited));
  }

  /** Freezes a member by SIGSTOP: it keeps its connections and does nothing. */
  pause(name: string): void {
    this.#paused.add(name);
    this.process(name).signal("SIGSTOP");
  }

  /** Lets a frozen member go on, as if no time had passed for it. */
  resume(name: string): void {
    this.process(name).signal("SIGCONT");
    this.#paused.delete(name);
  }

  /** Sends SIGTERM and tells how the process ended; it is killed after 60 s. */
  terminate(name: string): Promise<ProcessExit> {
    this.#stopped.add(name);
    return stopProcess(this.process(name), 60_000);
  }

  /** What a member tells of itself; throws when it does not answer within `timeoutMs` (10 000 by default). */
  async status(member: ClusterMember, timeoutMs = 10_000): Promise<MemberStatus> {
    return answerOf(await member.client.call(ClusterService.method.getStatus, {}, timeoutMs));
  }

  /** Waits until a running member leads in the highest term and every other running member follows it. */
  waitForLeader(timeoutMs = 60_000): Promise<ClusterMember> {
    return waitUntil(() => this.#agreedLeader(), { what: "a leader that all running members follow", timeoutMs });
  }

  async #agreedLeader(): Promise<ClusterMember | undefined> {
    const members = this.running();
    const statuses = await Promise.all(members.map((member) => this.statusIfAnswered(member)));
    const position = statuses.findIndex((status) => status?.role === GetStatusResponse_RaftRole.LEADER);
    const leader = statuses[position]?.header;
    if (leader === undefined) return undefined;
    const agreed = statuses.every(
      (status) => status?.header?.leaderId === leader.memberId && status.header.raftTerm === leader.raftTerm,
    );
    return agreed ? members[position] : undefined;
  }

  /** What a member tells of itself, or `undefined` when it does not answer. Throws when it ended without being told to. */
  async statusIfAnswered(member: ClusterMember): Promise<MemberStatus | undefined> {
    const result = await member.client.call(ClusterService.method.getStatus, {}, 1_000);
    if (result.ok) return result.response;
    const started = this.process(member.name);
    if (started.isRunning() || this.#stopped.has(member.name)) return undefined;
    throw new Error(`${member.name} has ended:\n${started.output.slice(-20).join("\n")}`);
  }

  /** Waits until every running member has applied all that the leader's log holds at the time of the call. */
  async waitUntilCaughtUp(timeoutMs = 60_000): Promise<void> {
    const leader = await this.waitForLeader(timeoutMs);
    const { lastIndex } = await this.status(leader);
    for (const member of this.running()) {
      await waitUntil(async () => ((await this.statusIfAnswered(member))?.appliedIndex ?? 0n) >= lastIndex, {
        what: `${member.name} has applied index ${lastIndex}`,
        timeoutMs,
      });
    }
  }

  /** Text of a member's /metrics; throws when it does not answer with 200. */
  async metrics(member: ClusterMember): Promise<string> {
    const response = await fetch(`http://${member.metricsAddress}/metrics`, { signal: AbortSignal.timeout(5_000) });
    if (!response.ok) throw new Error(`${member.name}: /metrics answers ${response.status}`);
    return response.text();
  }

  /** The last lines that each member printed. */
  describeOutput(lines = 60): string {
    return [...this.#processes]
      .map(([name, started]) => `--- ${name} (pid ${started.pid})\n${started.output.slice(-lines).join("\n")}`)
      .join("\n");
  }

  /** Stops every process of the cluster and removes its directory. */
  async dispose(): Promise<void> {
    for (const member of this.#all) member.client.close();
    await Promise.all([...this.#processes.values()].map((started) => stopProcess(started, 5_000)));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Lays out members n1, n2, … on free ports with empty data directories; starts none of them. */
export async function createProcessCluster(options: ClusterOptions = {}): Promise<ProcessCluster> {
  const size = options.size ?? 3;
  const directory = mkdtempSync(join(tmpdir(), "raftkv-cluster-"));
  const ports = await findFreePorts(3 * size);
  const members = Array.from({ length: size }, (_, position) =>
    placeMember(`n${position + 1}`, directory, ports.slice(3 * position)),
  );
  return new ProcessCluster(members, directory, options);
}

function placeMember(name: string, directory: string, [client, peer, metrics]: readonly number[]): ClusterMember {
  const dataDirectory = join(directory, name);
  mkdirSync(dataDirectory);
  const clientAddress = `127.0.0.1:${client}`;
  return {
    name,
    dataDirectory,
    clientAddress,
    peerAddress: `127.0.0.1:${peer}`,
    metricsAddress: `127.0.0.1:${metrics}`,
    client: createRpcClient(clientAddress),
  };
}
