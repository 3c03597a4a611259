import { expect, test } from "vitest";
import { checkLinearizability } from "../lib/linearizability.ts";
import { freezeLeader, killLeader } from "./disturb-leader.ts";
import { runHistoryClient } from "./history-client.ts";
import { createHistoryRecorder } from "./history-recorder.ts";
import { readAll } from "./read-all.ts";
import { report, startCluster } from "./start-cluster.ts";

const clientsPerMember = 3;
const operationsPerKey = 150;
const disturbances = [killLeader, freezeLeader, killLeader, freezeLeader, killLeader, freezeLeader];

test("every key's history is linearizable while leaders are killed and frozen", async () => {
  const cluster = await startCluster();
  const recorder = createHistoryRecorder(operationsPerKey);
  const stopped = new AbortController();
  const clients = Promise.all(
    cluster.members.flatMap((member) =>
      Array.from({ length: clientsPerMember }, (_, number) =>
        runHistoryClient(cluster, member, `${member.name}.${number}`, recorder, stopped.signal),
      ),
    ),
  );
  clients.catch(() => {});
  for (const disturb of disturbances) await disturb(cluster);
  stopped.abort();
  await clients;

  // What is there at the end is part of each history: it would show an acknowledged write that was lost.
  const last = await readAll(
    cluster,
    recorder.histories.map(({ key }) => key),
  );
  for (const { key, observations } of recorder.histories) {
    const [invokedAt, returnedAt] = [performance.now(), performance.now()];
    observations.push({ operation: { kind: "get", output: last.get(key) ?? null }, invokedAt, returnedAt });
  }

  const all = recorder.histories.flatMap(({ observations }) => observations);
  const unknown = all.filter(({ returnedAt }) => returnedAt === null).length;
  report(`${all.length} operations on ${recorder.histories.length} keys, ${unknown} of unknown outcome`);
  expect(unknown).toBeGreaterThan(0);
  for (const { key, observations } of recorder.histories) {
    const verdict = checkLinearizability(observations);
    expect(verdict, `${key}: ${verdict === "linearizable" ? "" : JSON.stringify(observations)}`).toBe("linearizable");
  }
});
