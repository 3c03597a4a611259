import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { RunningMember } from "../../src/cli/running-member.ts";
import { startMember } from "../../src/cli/start-member.ts";
import { readMemberStatus } from "../../src/client/cluster-status.ts";
import { createClient } from "../../src/client/raftkv-client.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";
import { pairKey } from "../../src/kv/row-keys.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { engineDirectory, openEngine } from "../../src/storage/engine-directory.ts";
import { firstGeneration } from "../../src/storage/row-keys.ts";
import { readStateRow, stateChange } from "../../src/storage/state-rows.ts";
import { cli } from "../cli/fake-cli.ts";
import { findFreePorts } from "../lib/free-ports.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import { waitUntil } from "../lib/wait-until.ts";

type Flags = Readonly<Record<string, string>>;

const running = new Map<string, RunningMember>();

async function start(flags: Flags): Promise<RunningMember> {
  const member = await startMember(resolveOptions({ flags, env: {} }).config, silentLogger);
  running.set(flags["name"] ?? "", member);
  onTestFinished(() => member.close());
  return member;
}

async function stop(name: string): Promise<void> {
  await running.get(name)?.drain();
  await running.get(name)?.close();
  running.delete(name);
}

/** Flags of three members that make a cluster, and of a fourth that may join it. */
async function layOut(): Promise<readonly [Flags, Flags, Flags, Flags]> {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-divergence-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const ports = await findFreePorts(12);
  const address = (at: number) => `127.0.0.1:${ports[at]}`;
  const initialCluster = [0, 1, 2].map((at) => `n${at + 1}=${address(3 * at)}`).join(",");
  const join3 = [0, 1, 2].map((at) => address(3 * at + 1)).join(",");
  const flags = (at: number): Flags => ({
    name: `n${at + 1}`,
    dataDir: join(directory, `n${at + 1}`),
    peerAddress: address(3 * at),
    clientAddress: address(3 * at + 1),
    metricsAddress: address(3 * at + 2),
    hashCheckInterval: "0ms",
    ...(at < 3 ? { initialCluster } : { join: join3 }),
  });
  return [flags(0), flags(1), flags(2), flags(3)];
}

const addressOf = (flags: Flags): string => flags["clientAddress"] ?? "";

const check = (flags: Flags) => cli(["check", "hash", "--endpoints", addressOf(flags), "--timeout", "20s"]);

async function whenHealthy(flags: Flags): Promise<void> {
  await waitUntil(async () => (await cli(["status", "--endpoints", addressOf(flags)])).code === 0, {
    what: "every member is well",
  });
}

/** The value of a key gets another last byte on a stopped member's disk, under a checksum that is right. */
async function changeOnDisk(dataDir: string, key: string): Promise<void> {
  const engine = await openEngine("classic-level", engineDirectory(dataDir, "classic-level"));
  const rowKey = pairKey(Buffer.from(key));
  const row = Buffer.from(readStateRow(engine, firstGeneration, rowKey) ?? expect.fail(`${key} is not on the disk`));
  row.writeUInt8(row.readUInt8(row.length - 1) ^ 1, row.length - 1);
  await engine.write([stateChange(firstGeneration, { type: "put", key: rowKey, value: row })]);
  await engine.close();
}

async function readiness(flags: Flags): Promise<readonly [number, string]> {
  const answer = await fetch(`http://${flags["metricsAddress"]}/readyz`);
  return [answer.status, await answer.text()];
}

async function mismatch(flags: Flags): Promise<number> {
  const text = await (await fetch(`http://${flags["metricsAddress"]}/metrics`)).text();
  return sumSamples(parseMetrics(text), "raftkv_store_hash_mismatch", {});
}

test("a member with another state than the majority is found, stops serving reads for good, and can be replaced", async () => {
  const [first, second, wrong, newcomer] = await layOut();
  for (const flags of [first, second, wrong]) await start(flags);
  await whenHealthy(first);
  const kv = createClient({ endpoints: [addressOf(first)], timeoutMs: 10_000 });
  onTestFinished(() => kv.close());
  for (let n = 0; n < 50; n++) await kv.put(`k${n}`, `value ${n}`);
  const agreed = await check(wrong);
  expect([agreed.code, agreed.stderr]).toEqual([0, ""]);

  await stop("n3");
  await changeOnDisk(wrong["dataDir"] ?? "", "k7");
  await start(wrong);
  await whenHealthy(first);
  const differing = await check(first);
  expect([differing.code, differing.stderr]).toEqual([1, expect.stringContaining("the states of the members differ")]);

  for (const time of ["found", "found, after a restart"]) {
    await waitUntil(async () => (await mismatch(wrong)) === 1, { what: `the metric of the member that was ${time}` });
    expect(await readiness(wrong)).toEqual([503, expect.stringContaining("[-]integrity failed: STATE_DIVERGED")]);
    for (const consistency of ["linearizable", "stale"]) {
      const read = ["get", "k1", "--endpoints", addressOf(wrong), "--consistency", consistency, "--timeout", "1s"];
      const { code, stdout, stderr } = await cli([...read, "-o", "json"]);
      expect([code, stdout, stderr]).toEqual([5, "", expect.stringContaining("STATE_DIVERGED")]);
    }
    const { problems, role } = await readMemberStatus(addressOf(wrong), 5_000);
    expect([problems.join(), role]).toEqual([expect.stringContaining("STATE_DIVERGED"), "follower"]);
    await stop("n3");
    await start(wrong);
  }
  for (const flags of [first, second]) {
    expect([await mismatch(flags), (await readiness(flags))[0]]).toEqual([0, 200]);
  }
  expect((await kv.get("k7")).entry).toMatchObject({ value: "value 7" });

  const { name = "", peerAddress = "" } = newcomer;
  const replace = ["member", "replace", "n3", name, "--peer-address", peerAddress];
  const [replaced] = await Promise.all([
    cli([...replace, "--endpoints", addressOf(first), "--timeout", "20s"]),
    start(newcomer),
  ]);
  expect([replaced.code, replaced.stderr]).toEqual([0, ""]);
  await stop("n3");
  await whenHealthy(first);
  const repaired = await check(newcomer);
  expect([repaired.code, repaired.stderr]).toEqual([0, ""]);
  expect(repaired.stdout).toContain("n4");
}, 60_000);
