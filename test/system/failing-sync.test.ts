import { describe, expect, test } from "vitest";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { makeSyncFaults, whyNoSyncFaults } from "./failing-sync.ts";
import { findDifferences } from "./read-all.ts";
import { report, startCluster } from "./start-cluster.ts";
import { startWorkload } from "./workload.ts";

const obstacle = whyNoSyncFaults();

/** A cluster of whose members each can be given a disk that fails. */
async function startOverFaults(engine: string) {
  const faults = makeSyncFaults();
  const cluster = await startCluster({
    serveFlags: ["--storage-engine", engine, "--write-stall-timeout", "3s"],
    runner: ({ dataDirectory }) => faults.runner(dataDirectory),
  });
  return { cluster, faults, leader: await cluster.waitForLeader() };
}

/** The last word of a member that has ended. */
function fatalLine(cluster: ProcessCluster, { name }: ClusterMember): unknown {
  return JSON.parse(cluster.process(name).output.findLast((line) => line.includes('"level":"fatal"')) ?? "{}");
}

/** The ids of the leaders that a member has told of in its log, oldest first. */
function leadersKnown(cluster: ProcessCluster, { name }: ClusterMember): unknown[] {
  const lines = cluster.process(name).output.filter((line) => line.includes("role or leader changed"));
  return lines.map((line) => JSON.parse(line).leader);
}

describe.each(["classic-level", "rocksdb"])("a leader's disk, under %s", (engine) => {
  test("trap 62: that cannot be synced stops the member, clearly and without a second try", async (context) => {
    context.skip(obstacle !== undefined, obstacle);
    const { cluster, faults, leader } = await startOverFaults(engine);
    const workload = startWorkload(cluster, 1);
    await workload.nextAcknowledgement();
    cluster.mayEnd(leader.name);
    faults.begin("fail", leader.dataDirectory);
    expect(await cluster.process(leader.name).exited).toEqual({ code: 1, signal: null });
    const failed = faults.failed(leader.dataDirectory);
    expect(failed).not.toEqual([]);
    expect(failed).toEqual([...new Set(failed)]);
    expect(fatalLine(cluster, leader)).toMatchObject({
      code: "WRITE_FAILED",
      msg: expect.stringMatching(
        /a write failed and its outcome is unknown \(.*\); the disk of .* look after the disk/,
      ),
    });
    await workload.nextAcknowledgement();

    faults.end(leader.dataDirectory);
    await cluster.start(leader.name);
    const acknowledged = await workload.stop();
    await cluster.waitUntilCaughtUp();
    // What only the others know does not count: all of it must be there without one of them.
    const [gone] = cluster.others(leader.name) as [ClusterMember, ClusterMember];
    await cluster.kill(gone.name);
    await cluster.waitForLeader();
    expect(await findDifferences(cluster, acknowledged)).toEqual([]);
  });
});

// One engine is enough: who watches the disk knows only that a write is under way.
test("a leader's disk that stands still makes it hand over, then stop by SIGKILL", async (context) => {
  context.skip(obstacle !== undefined, obstacle);
  const { cluster, faults, leader } = await startOverFaults("classic-level");
  const workload = startWorkload(cluster, 1);
  await workload.nextAcknowledgement();
  cluster.mayEnd(leader.name);
  const blockedAt = performance.now();
  faults.begin("block", leader.dataDirectory);
  const next = await waitUntil(
    async () => {
      const statuses = await Promise.all(cluster.others(leader.name).map((other) => cluster.statusIfAnswered(other)));
      return statuses.find((each) => each !== undefined && each.header?.leaderId === each.header?.memberId);
    },
    { what: "another member leads" },
  );
  report(`another led after ${Math.round(performance.now() - blockedAt)} ms`);
  expect(next.header?.leaderId).not.toBe("");
  await workload.nextAcknowledgement();
  expect(await cluster.process(leader.name).exited).toEqual({ code: null, signal: "SIGKILL" });
  report(`the process was gone after ${Math.round(performance.now() - blockedAt)} ms`);
  const stopped = fatalLine(cluster, leader);
  expect(stopped).toMatchObject({
    code: "WRITE_STALLED",
    msg: expect.stringMatching(/has been under way for \d+ ms; the limit is 3000 ms/),
  });
  expect(leadersKnown(cluster, leader), "it handed over before it stopped").toContain(next.header?.leaderId);

  faults.end(leader.dataDirectory);
  await cluster.start(leader.name);
  const acknowledged = await workload.stop();
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
});
