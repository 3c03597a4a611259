import { afterEach, expect, test } from "vitest";
import type { MemoryRows } from "../../src/storage/memory-engine.ts";
import { firstGeneration, generationRange } from "../../src/storage/row-keys.ts";
import { KvCluster, putKeys } from "./kv-cluster.ts";
import { until } from "./replica-cluster.ts";

let cluster: KvCluster;

afterEach(async () => {
  for (const { replica } of cluster.members.values()) await replica.close().catch(() => {});
});

/** Flips a bit in the row in the middle of the state, one of the pairs. */
function damage(disk: MemoryRows): void {
  const rows = disk.within(generationRange(firstGeneration));
  const [key, value] = rows[Math.floor(rows.length / 2)] ?? expect.fail("no row");
  const flipped = Buffer.from(value);
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  disk.apply({ type: "put", key, value: flipped });
}

test.each([true, false])("a damaged row that came in files stops the member soon (damaged: %s)", async (damaged) => {
  let read = 0;
  const scrubbed = ({ rows }: { readonly rows: number }) => {
    read += rows;
  };
  cluster = new KvCluster({ inFiles: true, metrics: { scrubbed } });
  await cluster.startAll();
  const { id } = await cluster.follower();
  const leader = await cluster.leader();
  await cluster.stop(id);
  await putKeys(leader, "k", 200);
  await until(() => leader.replica.status().firstIndex > 100 || undefined);
  if (damaged) damage(cluster.disk(leader.id));
  const follower = await cluster.start(id);
  await until(() => cluster.directories.get(id)?.steps.includes("adopt") || undefined);
  await until(() => (damaged ? follower.fatal.length > 0 : read > 200) || undefined);
  expect(follower.fatal).toEqual(damaged ? [expect.objectContaining({ code: "STATE_CORRUPT" })] : []);
});
