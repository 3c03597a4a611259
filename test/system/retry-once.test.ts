import { expect, test } from "vitest";
import { type IncrementResponse, KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { answerOf } from "../lib/rpc-client.ts";
import { callUntilAnswered } from "./retrying-client.ts";
import { startCluster } from "./start-cluster.ts";

const id = (sequence: bigint) => ({ clientId: "retry-once", sequence, firstPendingSequence: 1n });

/** Asks one member until it answers: an attempt may come between two leaders. */
const increment = async (member: ClusterMember, key: string, sequence: bigint) => {
  const request = { key, requestId: id(sequence), returnPrevious: true };
  return (await callUntilAnswered([member], 0, KvService.method.increment, request)).response;
};

/** What must not differ between the answers to two attempts: all but where the answer came from. */
const substance = ({ applied, value, previous, header }: IncrementResponse) => ({
  applied,
  value,
  previous,
  revision: header?.revision,
});

const readCounter = async (cluster: ProcessCluster, key: string) => {
  const [member] = cluster.running();
  if (member === undefined) throw new Error("no member runs");
  const { response } = await callUntilAnswered([member], 0, KvService.method.get, { key });
  return response.kv?.payload.value;
};

test("a request id sent to every member, one after the other, is applied once and answered alike", async () => {
  const cluster = await startCluster();
  const answers: IncrementResponse[] = [];
  for (const member of [...cluster.members, ...cluster.members]) answers.push(await increment(member, "in-turn", 1n));
  expect(new Set(answers.map(({ header }) => header?.memberId)).size).toBe(3);
  for (const answer of answers) expect(substance(answer)).toEqual(substance(answers[0] as IncrementResponse));
  expect(await readCounter(cluster, "in-turn")).toBe("1");
});

test("a request id sent to every member at once is applied once and answered alike", async () => {
  const cluster = await startCluster();
  for (let sequence = 1n; sequence <= 100n; sequence++) {
    const answers = await Promise.all(cluster.members.map((member) => increment(member, "at-once", sequence)));
    expect(answers.map(({ value }) => value)).toEqual([sequence, sequence, sequence]);
    expect(new Set(answers.map(({ header }) => header?.revision)).size).toBe(1);
  }
  expect(await readCounter(cluster, "at-once")).toBe("100");
});

test("a request id sent again after its leader was killed, and after all were, is applied once and answered alike", async () => {
  const cluster = await startCluster();
  const leader = await cluster.waitForLeader();
  const first = await increment(leader, "killed", 1n);
  await increment(leader, "killed", 2n);

  await cluster.kill(leader.name);
  const survivors = cluster.others(leader.name);
  const request = { key: "killed", requestId: id(1n), returnPrevious: true };
  const again = await callUntilAnswered(survivors, 0, KvService.method.increment, request);
  expect(substance(again.response)).toEqual(substance(first));

  await cluster.kill(...survivors.map(({ name }) => name));
  await cluster.start();
  await cluster.waitForLeader();
  const muchLater = await callUntilAnswered(cluster.members, 0, KvService.method.increment, request);
  expect(substance(muchLater.response)).toEqual(substance(first));
  expect(await readCounter(cluster, "killed")).toBe("2");
});

test("puts and deletes sent again leave what others wrote since", async () => {
  const cluster = await startCluster();
  const [first, second, third] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
  const put = { key: "put", payload: { case: "value", value: "mine" }, requestId: id(1n) } as const;
  const before = answerOf(await first.client.call(KvService.method.put, put));
  answerOf(await second.client.call(KvService.method.put, { key: "put", payload: { case: "value", value: "theirs" } }));
  const after = answerOf(await third.client.call(KvService.method.put, put));
  expect(after.header?.revision).toBe(before.header?.revision);
  expect(await readCounter(cluster, "put")).toBe("theirs");

  const remove = { key: "put", requestId: id(2n) };
  expect(answerOf(await first.client.call(KvService.method.delete, remove)).deleted).toBe(1n);
  answerOf(await second.client.call(KvService.method.put, { key: "put", payload: { case: "value", value: "newer" } }));
  expect(answerOf(await third.client.call(KvService.method.delete, remove)).deleted).toBe(1n);
  expect(await readCounter(cluster, "put")).toBe("newer");
});
