import { createServer, type Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type StartedProcess, startProcess, stopProcess } from "../lib/child-process.ts";
import { findFreePorts } from "../lib/free-ports.ts";
import { type ClusterMember, type ProcessCluster, raftkvCommand } from "../lib/process-cluster.ts";
import { startCluster } from "./start-cluster.ts";
import { startWorkload } from "./workload.ts";

/** Starts a process as `member` with `changes`, waits for it to give up, and tells its exit code and what it printed. */
async function startInVain(cluster: ProcessCluster, member: ClusterMember, changes: Partial<ClusterMember>) {
  const started = await startProcess(process.execPath, [raftkvCommand, ...cluster.serveArguments(member, changes)]);
  return outcomeOf(started);
}

async function outcomeOf(started: StartedProcess) {
  const timer = setTimeout(() => started.signal("SIGKILL"), 60_000);
  onTestFinished(() => stopProcess(started).then(() => {}));
  const { code } = await started.exited;
  clearTimeout(timer);
  return { code, output: started.output.join("\n") };
}

/** Listens on an address until the end of the test. */
async function occupy(address: string): Promise<Server> {
  const [host, port] = address.split(":");
  const server = createServer();
  onTestFinished(() => {
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(Number(port), host, resolve));
  return server;
}

/** The running cluster must not have noticed. */
async function expectUnharmed(cluster: ProcessCluster) {
  expect(cluster.running()).toHaveLength(cluster.members.length);
  const workload = startWorkload(cluster, 1);
  await workload.nextAcknowledgement();
  await workload.stop();
}

test("a second process on a directory in use is refused, naming the directory", async () => {
  const cluster = await startCluster({ size: 1 });
  const member = cluster.member("n1");
  const [client, metrics] = await findFreePorts(2);
  const changes = { clientAddress: `127.0.0.1:${client}`, metricsAddress: `127.0.0.1:${metrics}` };
  const { code, output } = await startInVain(cluster, member, changes);
  expect(code).toBe(1);
  expect(output).toContain("DIRECTORY_LOCKED");
  expect(output).toContain(member.dataDirectory);
  await expectUnharmed(cluster);
});

test("the directory of another member is refused, naming it and both members", async () => {
  const cluster = await startCluster();
  const [first, second] = cluster.members as [ClusterMember, ClusterMember];
  const statuses = await Promise.all([first, second].map((member) => cluster.status(member)));
  const ids = statuses.map(({ header }) => header?.memberId);
  await cluster.kill(first.name, second.name);
  const { code, output } = await startInVain(cluster, first, { dataDirectory: second.dataDirectory });
  expect(code).toBe(1);
  expect(output).toContain("DIRECTORY_MISMATCH");
  expect(output).toContain(`${second.dataDirectory}: the directory has member id`);
  for (const id of ids) expect(output).toContain(id);
  await cluster.start(first.name, second.name);
  await cluster.waitUntilCaughtUp();
  await expectUnharmed(cluster);
});

test.each(["clientAddress", "peerAddress", "metricsAddress"] as const)(
  "a %s in use is refused, naming it, and leaves the directory usable",
  async (which) => {
    const cluster = await startCluster({ size: 1 });
    const member = cluster.member("n1");
    await cluster.terminate("n1");
    const occupant = await occupy(member[which]);
    const { code, output } = await startInVain(cluster, member, {});
    expect(code).toBe(1);
    expect(output).toContain("ADDRESS_IN_USE");
    expect(output).toContain(member[which]);
    occupant.close();
    await cluster.start("n1");
    await cluster.waitForLeader();
    await expectUnharmed(cluster);
  },
);
