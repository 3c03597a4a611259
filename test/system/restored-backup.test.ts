import { createReadStream, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pairKey } from "../../src/kv/row-keys.ts";
import { readBackup } from "../../src/storage/read-backup.ts";
import { startProcess } from "../lib/child-process.ts";
import { raftkvCommand } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { readAll } from "./read-all.ts";
import { startCluster } from "./start-cluster.ts";
import { digestOfAll } from "./state-digest.ts";
import { startWorkload } from "./workload.ts";

/** Runs a command that has to end well. */
async function run(...line: readonly string[]): Promise<string> {
  const command = await startProcess(process.execPath, [raftkvCommand, ...line]);
  expect(await command.exited, `${line.join(" ")}:\n${command.output.join("\n")}`).toMatchObject({ code: 0 });
  return command.output.join("\n");
}

const firstPairByte = pairKey(Buffer.alloc(0))[0];

/** Pairs of a backup as text, by key, and the revision at which they stand. */
async function contentOf(file: string) {
  const pairs = new Map<string, string>();
  const { facts } = await readBackup(createReadStream(file), {
    rows: async (rows) => {
      for (const [key, value] of rows)
        if (key[0] === firstPairByte) pairs.set(Buffer.from(key).toString(), Buffer.from(value).toString("latin1"));
    },
  });
  return { pairs, revision: facts.revision };
}

test("a backup saved under load has all that was acknowledged, and restored on three members it is the same again", async () => {
  const cluster = await startCluster();
  const [before, after] = [join(cluster.directory, "before.backup"), join(cluster.directory, "after.backup")];
  const endpoints = ["--endpoints", cluster.members.map(({ clientAddress }) => clientAddress).join(",")];
  const workload = startWorkload(cluster, 1);
  await waitUntil(() => workload.acknowledged.puts.size >= 30, { what: "thirty keys are written" });
  const promised = new Map(workload.acknowledged.puts);
  await run("backup", "save", before, ...endpoints);
  await workload.nextAcknowledgement();
  await workload.stop();
  const verified = JSON.parse(await run("backup", "verify", before, "--output", "json"));

  const initialCluster = cluster.members.map(({ name, peerAddress }) => `${name}=${peerAddress}`).join(",");
  await cluster.kill(...cluster.members.map(({ name }) => name));
  for (const { name, dataDirectory } of cluster.members) {
    rmSync(dataDirectory, { recursive: true });
    const target = ["--name", name, "--data-dir", dataDirectory, "--initial-cluster", initialCluster];
    await run("backup", "restore", before, ...target);
  }
  await cluster.start();
  // All three are there and hold the same rows.
  await digestOfAll(cluster);
  const found = await readAll(cluster, promised.keys());
  expect([...promised].filter(([key, value]) => found.get(key) !== value)).toEqual([]);
  // They are those of the backup.
  const { members } = JSON.parse(await run("check", "hash", ...endpoints, "--output", "json"));
  const { revision, stateHash: hash } = verified;
  expect(members).toMatchObject(cluster.members.map(({ name }) => ({ name, revision, hash })));
  await run("backup", "save", after, ...endpoints);
  expect(await contentOf(after)).toEqual(await contentOf(before));
});
