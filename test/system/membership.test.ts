import { expect, test } from "vitest";
import { ClusterService, type Member } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { startProcess } from "../lib/child-process.ts";
import { type ClusterMember, type ProcessCluster, raftkvCommand } from "../lib/process-cluster.ts";
import { answerOf } from "../lib/rpc-client.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { findDifferences } from "./read-all.ts";
import { patientFlags, report, startCluster } from "./start-cluster.ts";
import { waitUntilAllVote } from "./wait-until-all-vote.ts";
import { sharedCounter, startWorkload, type Workload } from "./workload.ts";

/** Runs the command against one member and tells what it wrote as JSON; throws unless it ends with 0. */
async function raftkv(member: ClusterMember, ...line: readonly string[]) {
  const where = ["--endpoints", member.clientAddress, "--timeout", "20s", "--output", "json"];
  const command = await startProcess(process.execPath, [raftkvCommand, ...line, ...where]);
  const { code } = await command.exited;
  if (code !== 0) throw new Error(`raftkv ${line.join(" ")} ended with ${code}: ${command.output.join("\n")}`);
  return JSON.parse(command.output.at(-1) ?? "") as { readonly members: readonly { name: string; id: string }[] };
}

async function listMembers(member: ClusterMember): Promise<readonly Member[]> {
  return answerOf(await member.client.call(ClusterService.method.listMembers, {})).members;
}

async function expectNothingLost(cluster: ProcessCluster, workload: Workload): Promise<void> {
  await workload.nextAcknowledgement();
  const acknowledged = await workload.stop();
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
  const increments = [...acknowledged.counters.values()].reduce((sum, count) => sum + count, 0);
  report(`${acknowledged.puts.size} puts, ${increments} increments, ${acknowledged.retries} retries`);
  expect(acknowledged.counters.get(sharedCounter)).toBeGreaterThan(0);
}

test("three members become five and three others under load, the leader among those that go", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 2);
  await workload.nextAcknowledgement();
  const [witness] = cluster.others((await cluster.waitForLeader()).name);
  if (witness === undefined) throw new Error("no follower");

  workload.takeLongestStallMs();
  for (const name of ["n4", "n5"]) {
    // Started before it is added, and added through a follower.
    const added = await cluster.layOut(name);
    await cluster.start(name);
    await raftkv(witness, "member", "add", name, "--peer-address", added.peerAddress);
  }
  await waitUntilAllVote(cluster, witness);
  await cluster.waitUntilCaughtUp();
  report(`3 to 5: longest write stall ${workload.takeLongestStallMs().toFixed(0)} ms`);

  for (let removed = 0; removed < 2; removed++) {
    const leader = await cluster.waitForLeader();
    const [other] = cluster.others(leader.name);
    if (other === undefined) throw new Error("no follower");
    await raftkv(other, "member", "remove", leader.name);
    cluster.retire(leader.name);
    const successor = await cluster.waitForLeader();
    await waitUntilAllVote(cluster, successor);
    expect(await cluster.terminate(leader.name)).toEqual({ code: 0, signal: null });
  }
  report(`5 to 3, the leader removed each time: longest write stall ${workload.takeLongestStallMs().toFixed(0)} ms`);

  const names = cluster.members.map(({ name }) => name);
  await cluster.kill(...names);
  await cluster.start(...names);
  await expectNothingLost(cluster, workload);
});

test("a member that lost its data comes back under another id, which alone votes", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 2);
  await workload.nextAcknowledgement();
  const leader = await cluster.waitForLeader();
  const [lost, witness] = cluster.others(leader.name) as [ClusterMember, ClusterMember];
  const before = (await listMembers(witness)).find(({ name }) => name === lost.name);

  await cluster.kill(lost.name);
  cluster.wipe(lost.name);
  await cluster.start(lost.name);
  await waitUntil(() => cluster.process(lost.name).output.some((line) => line.includes("member replace")), {
    what: "the empty member tells that it has to be replaced",
  });
  await raftkv(witness, "member", "replace", lost.name, lost.name, "--peer-address", lost.peerAddress);
  await waitUntilAllVote(cluster, witness);

  const after = (await listMembers(witness)).find(({ name }) => name === lost.name);
  expect(after?.memberId).toMatch(/^[0-9a-f]{16}$/);
  expect(after?.memberId).not.toBe(before?.memberId);
  await cluster.waitUntilCaughtUp();

  // With one of the others down, the newcomer is needed for every write; restarted, it is who its directory says.
  await cluster.terminate(lost.name);
  await cluster.kill(leader.name);
  await cluster.start(lost.name);
  await workload.nextAcknowledgement();
  await cluster.start(leader.name);
  await expectNothingLost(cluster, workload);
});

test("a member that was down while all the others were replaced finds the cluster again", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 1);
  await workload.nextAcknowledgement();
  await cluster.kill("n3");
  for (const name of ["n4", "n5"]) {
    const added = await cluster.layOut(name);
    await cluster.start(name);
    await raftkv(cluster.member("n1"), "member", "add", name, "--peer-address", added.peerAddress);
  }
  await waitUntilAllVote(cluster, cluster.member("n1"));
  for (const name of ["n1", "n2"]) {
    await raftkv(cluster.member("n4"), "member", "remove", name);
    cluster.retire(name);
    await cluster.terminate(name);
  }
  await waitUntilAllVote(cluster, cluster.member("n4"));

  // It knows two members, both gone, and the others are strangers to it until it has their log.
  await cluster.start("n3");
  await cluster.waitUntilCaughtUp();
  await cluster.kill((await cluster.waitForLeader()).name);
  await cluster.waitForLeader();
  await expectNothingLost(cluster, workload);
});

test("members restarted one after the other by SIGTERM hand leadership over first", async () => {
  const cluster = await startCluster({ serveFlags: patientFlags });
  const workload = startWorkload(cluster, 2);
  await workload.nextAcknowledgement();
  workload.takeLongestStallMs();
  let handedOver = 0;
  for (let round = 0; round < 2; round++) {
    for (const { name } of [...cluster.members]) {
      const leader = await cluster.waitForLeader();
      expect(await cluster.terminate(name)).toEqual({ code: 0, signal: null });
      if (leader.name === name) {
        expect(cluster.process(name).output.join("\n")).toContain("handed leadership over");
        handedOver++;
      }
      await cluster.start(name);
      await cluster.waitUntilCaughtUp();
    }
  }
  expect(handedOver).toBeGreaterThan(0);
  const stall = workload.takeLongestStallMs().toFixed(0);
  report(`6 restarts by SIGTERM, ${handedOver} of them of the leader: longest write stall ${stall} ms`);
  await expectNothingLost(cluster, workload);
});
