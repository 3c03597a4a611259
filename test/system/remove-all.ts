import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ProcessCluster } from "../lib/process-cluster.ts";
import { callUntilAnswered } from "./retrying-client.ts";

const removalsInFlight = 64;

/** Removes keys, by way of the running members in turn. */
export async function removeAll(cluster: ProcessCluster, keys: Iterable<string>): Promise<void> {
  const members = cluster.running();
  const left = [...keys];
  const removeSome = async (position: number): Promise<void> => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      await callUntilAnswered(members, position % members.length, KvService.method.delete, { key });
    }
  };
  await Promise.all(Array.from({ length: removalsInFlight }, (_, position) => removeSome(position)));
}
