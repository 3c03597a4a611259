import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ProcessCluster } from "../lib/process-cluster.ts";
import { callUntilAnswered } from "./retrying-client.ts";
import type { Acknowledged } from "./workload.ts";

const readsInFlight = 64;

/** Reads keys, linearizably and in turn from every running member; `null` for keys that do not exist. */
export async function readAll(cluster: ProcessCluster, keys: Iterable<string>): Promise<Map<string, string | null>> {
  const members = cluster.running();
  const left = [...keys];
  const found = new Map<string, string | null>();
  const readSome = async (position: number) => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      const member = members[(position + left.length) % members.length];
      if (member === undefined) throw new Error("no member runs");
      const { response } = await callUntilAnswered([member], 0, KvService.method.get, { key });
      const { kv } = response;
      found.set(key, kv?.payload.case === "value" ? kv.payload.value : null);
    }
  };
  await Promise.all(Array.from({ length: readsInFlight }, (_, position) => readSome(position)));
  return found;
}

/** Every difference between what was acknowledged and what is in the store; empty when nothing was lost or doubled. */
export async function findDifferences(cluster: ProcessCluster, acknowledged: Acknowledged): Promise<string[]> {
  const expected = new Map(acknowledged.puts);
  for (const [key, count] of acknowledged.counters) expected.set(key, String(count));
  const found = await readAll(cluster, expected.keys());
  return [...expected].flatMap(([key, value]) =>
    found.get(key) === value ? [] : [`${key}: acknowledged ${value}, found ${found.get(key)}`],
  );
}
