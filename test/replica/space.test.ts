import { expect, onTestFinished, test } from "vitest";
import { del, encodeCommand, increment, put, requestId } from "../kv/driver.ts";
import { KvCluster, type KvClusterOptions } from "./kv-cluster.ts";
import { type ClusterMember, propose, until } from "./replica-cluster.ts";

const quotaBytes = 2_000;
const value = "v".repeat(300);

async function started(options: KvClusterOptions): Promise<KvCluster> {
  const cluster = new KvCluster(options);
  onTestFinished(() => cluster.stopAll());
  await cluster.startAll();
  return cluster;
}

async function fill(member: ClusterMember): Promise<number> {
  for (let number = 0; ; number++) {
    const outcome = await propose(member, [...encodeCommand(put(`key${number}`, value))]);
    if (outcome.type !== "applied") {
      expect(outcome).toMatchObject({ type: "dropped", reason: "NO_SPACE" });
      return number;
    }
    expect(number).toBeLessThan(10);
  }
}

test("over its quota the state takes nothing new, through any member, and whatever makes room goes on", async () => {
  const cluster = await started({ size: 3, replica: { quotaBytes } });
  const leader = await cluster.leader();
  const follower = await cluster.follower();
  const written = await fill(leader);
  expect(written).toBeGreaterThan(5);
  expect(leader.replica.status().space).toMatchObject({ quotaBytes, problem: "quota" });
  const through = async (command: Parameters<typeof encodeCommand>[0]) =>
    propose(follower, [...encodeCommand(command)]);
  expect(await through(put("another", "x"))).toMatchObject({ type: "dropped", reason: "NO_SPACE" });
  expect(await through(increment("number", 1n))).toMatchObject({ type: "dropped", reason: "NO_SPACE" });
  for (const key of ["key0", "key1"]) expect(await through(del(key))).toMatchObject({ type: "applied" });
  await until(() => (leader.replica.status().space.problem === null ? true : undefined));
  expect(await through(put("another", "x"))).toMatchObject({ type: "applied" });
});

test("a request that was applied before is answered, however full the state is", async () => {
  const cluster = await started({ size: 1, replica: { quotaBytes } });
  const leader = await cluster.leader();
  const counted = [...encodeCommand(increment("number", 5n, { id: requestId("client", 1) }))];
  const first = await propose(leader, counted);
  await fill(leader);
  const again = await propose(leader, counted);
  expect(first.type).toBe("applied");
  expect(again).toMatchObject({ type: "applied", result: first.type === "applied" && first.result });
  const next = [...encodeCommand(increment("number", 5n, { id: requestId("client", 2) }))];
  expect(await propose(leader, next)).toMatchObject({ type: "dropped", reason: "NO_SPACE" });
});

test("what sessions hold counts, and is the same at the leader and at a member that started anew or fetched the state", async () => {
  const cluster = await started({ size: 3, replica: { quotaBytes: 200_000 } });
  const sleeper = await cluster.follower();
  await cluster.stop(sleeper.id);
  const leader = await cluster.leader();
  const large = "v".repeat(2_000);
  const swap = (sequence: number) => put("key", large, { previous: true, id: requestId("client", sequence) });
  let sequence = 0;
  for (let outcome = "applied"; outcome === "applied"; ) {
    const proposed = await propose(leader, [...encodeCommand(swap(++sequence))]);
    outcome = proposed.type === "dropped" ? proposed.reason : proposed.type;
    expect(["applied", "NO_SPACE"]).toContain(outcome);
  }
  const { usedBytes } = leader.replica.status().space;
  expect(sequence).toBeLessThan(110);
  // Too short a log for the other one to catch up by entries.
  await until(() => (leader.replica.status().firstIndex > 30 ? true : undefined));
  const fetched = await cluster.start(sleeper.id);
  await until(() =>
    fetched.replica.status().appliedIndex === leader.replica.status().appliedIndex ? true : undefined,
  );
  expect(fetched.replica.status().firstIndex).toBeGreaterThan(1);
  await until(() => (fetched.replica.status().space.usedBytes === usedBytes ? true : undefined));
  await cluster.stop(sleeper.id);
  const restarted = await cluster.start(sleeper.id);
  expect(restarted.replica.status().space.usedBytes).toBeGreaterThan(50_000);
  await until(() => (restarted.replica.status().space.usedBytes === usedBytes ? true : undefined));
  // Given up, they leave room.
  expect(
    await propose(leader, [...encodeCommand(del("none", { id: requestId("client", sequence, sequence) }))]),
  ).toMatchObject({ type: "applied" });
  await until(() => (leader.replica.status().space.problem === null ? true : undefined));
});

test("a disk with little space left refuses what adds, until there is room again", async () => {
  const cluster = await started({ size: 1 });
  const { replica } = await cluster.leader();
  const leader = await cluster.leader();
  replica.noteDiskSpace(true);
  expect(await propose(leader, [...encodeCommand(put("a", "1"))])).toMatchObject({
    type: "dropped",
    reason: "NO_SPACE",
  });
  expect(replica.status().space.problem).toBe("disk");
  replica.noteDiskSpace(false);
  expect(await propose(leader, [...encodeCommand(put("a", "1"))])).toMatchObject({ type: "applied" });
});
