import { expect, test } from "vitest";
import { quantile } from "../bench/statistics.ts";
import { findDifferences } from "./read-all.ts";
import { report, startCluster } from "./start-cluster.ts";
import { sharedCounter, startWorkload } from "./workload.ts";

const kills = 10;

test("nothing acknowledged is lost and nothing is applied twice when leaders are killed, and then all members", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 2);
  await workload.nextAcknowledgement();

  const outagesMs: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const leader = await cluster.waitForLeader();
    const killedAt = performance.now();
    const killed = cluster.kill(leader.name);
    outagesMs.push((await workload.nextAcknowledgement()) - killedAt);
    await killed;
    await cluster.start(leader.name);
    await cluster.waitUntilCaughtUp();
  }

  await cluster.kill(...cluster.members.map(({ name }) => name));
  const restartedAt = performance.now();
  await cluster.start();
  const restartMs = (await workload.nextAcknowledgement()) - restartedAt;

  const acknowledged = await workload.stop();
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
  expect(acknowledged.counters.get(sharedCounter)).toBeGreaterThan(kills);

  const sorted = Float64Array.from(outagesMs).sort();
  const [median, longest] = [quantile(sorted, 0.5), quantile(sorted, 1)].map((ms) => ms.toFixed(0));
  report(`${kills} leader kills: next acknowledged write after ${median} ms (median), ${longest} ms (maximum)`);
  report(`all three killed: next acknowledged write ${restartMs.toFixed(0)} ms after their start`);
  const increments = [...acknowledged.counters.values()].reduce((sum, count) => sum + count, 0);
  report(`${acknowledged.puts.size} puts, ${increments} increments, ${acknowledged.retries} retries`);
});
