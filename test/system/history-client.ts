import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { Operation } from "../lib/linearizability.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { type HistoryRecorder, type KeyHistory, observe } from "./history-recorder.ts";

const callTimeoutMs = 1_000;
const slots = 3;

/** What a client last saw of a key: the base of its next compare-and-set. */
interface Seen {
  readonly value: string | null;
  readonly modRevision: bigint;
}

/**
 * Works on the keys in use through one member only, without retries, until `stopped`: reads, writes, compare-and-sets
 * and increments. After a call that was not answered it waits for the member to answer again.
 */
export async function runHistoryClient(
  cluster: ProcessCluster,
  member: ClusterMember,
  name: string,
  recorder: HistoryRecorder,
  stopped: AbortSignal,
): Promise<void> {
  const seen = new Map<string, Seen>();
  for (let number = 0; !stopped.aborted; number++) {
    const history = recorder.take(Math.floor(Math.random() * slots));
    const step = history.holds === "counter" ? workOnCounter : workOnText;
    const answered = await step(member, history, `${name}.${number}`, seen);
    if (!answered) await waitUntilAnswering(cluster, member);
  }
}

async function waitUntilAnswering(cluster: ProcessCluster, member: ClusterMember): Promise<void> {
  await waitUntil(
    async () => {
      const running = cluster.running().includes(member);
      return running && (await cluster.statusIfAnswered(member)) !== undefined;
    },
    { what: `${member.name} answers again`, timeoutMs: 60_000 },
  );
}

type Step = (member: ClusterMember, history: KeyHistory, unique: string, seen: Map<string, Seen>) => Promise<boolean>;

const read: Step = (member, history, _unique, seen) =>
  observe(
    history,
    { kind: "get", output: null },
    () => member.client.call(KvService.method.get, { key: history.key }, callTimeoutMs),
    ({ kv }) => {
      const output = kv?.payload.case === "value" ? kv.payload.value : null;
      seen.set(history.key, { value: output, modRevision: kv?.modRevision ?? 0n });
      return { kind: "get", output };
    },
  );

const workOnCounter: Step = (member, history, unique, seen) => {
  if (Math.random() < 0.5) return read(member, history, unique, seen);
  const request = { key: history.key, delta: 1n };
  return observe(
    history,
    { kind: "increment", delta: 1, output: undefined },
    () => member.client.call(KvService.method.increment, request, callTimeoutMs),
    ({ value }) => ({ kind: "increment", delta: 1, output: Number(value) }),
  );
};

const workOnText: Step = (member, history, unique, seen) => {
  const choice = Math.random();
  if (choice < 0.4) return read(member, history, unique, seen);
  const base = seen.get(history.key) ?? { value: null, modRevision: 0n };
  const request = { key: history.key, payload: { case: "value", value: unique } } as const;
  if (choice < 0.7) {
    const put: Operation = { kind: "put", value: unique };
    const call = () => member.client.call(KvService.method.put, request, callTimeoutMs);
    return observe(history, put, call, () => put);
  }
  const cas = (applied: boolean | undefined): Operation => ({
    kind: "cas",
    expected: base.value,
    value: unique,
    applied,
  });
  const conditional = { ...request, ifModRevision: base.modRevision };
  return observe(
    history,
    cas(undefined),
    () => member.client.call(KvService.method.put, conditional, callTimeoutMs),
    ({ applied }) => cas(applied),
  );
};
