import { expect, test } from "vitest";
import { batch, commands, newDirectory, openIn } from "../storage/store-fixture.ts";
import { cli } from "./fake-cli.ts";

async function stoppedMember(isWrong: boolean): Promise<string> {
  const directory = await newDirectory();
  const store = await openIn(directory);
  await store.write(batch({ hardState: { term: 2, votedFor: null, commitIndex: 18 }, entries: commands(1, 20, 2) }));
  const divergence = { index: 12, hash: "a".repeat(64), majorityHash: "b".repeat(64) };
  if (isWrong) await store.markDiverged(divergence);
  await store.close();
  return directory;
}

test("tells how far a stopped member has come", async () => {
  const { code, stdout, stderr } = await cli(["recover", "--data-dir", await stoppedMember(false)]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^n1 +00000000000000c1 +2 +2 +20 +18 *$/m);
});

test("says of a state that was found to be wrong that it is none to go on with, and makes no cluster of it", async () => {
  const directory = await stoppedMember(true);
  const told = await cli(["recover", "--data-dir", directory]);
  expect([told.code, told.stdout]).toEqual([1, expect.stringMatching(/^n1 +00000000000000c1 +2 +2 +20 +18 *$/m)]);
  expect(told.stderr).toContain(
    `raftkv: ${directory}: the state was found to differ from that of the majority at index 12`,
  );
  expect(told.stderr).toContain("take the greatest of the other directories, or restore a backup if none is left");
  const forced = await cli(["recover", "--data-dir", directory, "--force-new-cluster", "--yes"]);
  expect([forced.code, forced.stdout]).toEqual([1, ""]);
  expect(forced.stderr).toContain("the state was found to differ");
  expect((await cli(["recover", "--data-dir", directory])).stdout).toBe(told.stdout);
});

test("gives up on no other member without being told twice", async () => {
  const { code, stderr } = await cli(["recover", "--data-dir", await stoppedMember(false), "--force-new-cluster"]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("it needs --yes as well")]);
});
