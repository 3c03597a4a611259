import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ProcessCluster } from "../lib/process-cluster.ts";
import { callUntilAnswered } from "./retrying-client.ts";

const valueBytes = 64 * 1024;

/** Writes so many MiB of values, so that a snapshot of the state takes a while. */
export async function fillState(cluster: ProcessCluster, mebibytes: number): Promise<void> {
  const value = "x".repeat(valueBytes);
  for (let number = 0; number < (mebibytes * 2 ** 20) / valueBytes; number++) {
    const request = { key: `fill/${number}`, payload: { case: "value", value } } as const;
    await callUntilAnswered(cluster.members, 0, KvService.method.put, request);
  }
}
