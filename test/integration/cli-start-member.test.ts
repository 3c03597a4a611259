import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { RunningMember } from "../../src/cli/running-member.ts";
import { startMember } from "../../src/cli/start-member.ts";
import { readMemberStatus } from "../../src/client/cluster-status.ts";
import { createClient } from "../../src/client/raftkv-client.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { findFreePorts } from "../lib/free-ports.ts";

function config(dataDir: string, flags: Readonly<Record<string, string>> = {}) {
  const anyPort = "127.0.0.1:0";
  const given = { dataDir, clientAddress: anyPort, peerAddress: anyPort, metricsAddress: anyPort, ...flags };
  return resolveOptions({ flags: given, env: {} }).config;
}

function directory(): string {
  const parent = mkdtempSync(join(tmpdir(), "raftkv-member-"));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  return join(parent, "data");
}

async function withClient<T>(
  member: RunningMember,
  use: (kv: ReturnType<typeof createClient>) => Promise<T>,
): Promise<T> {
  const kv = createClient({ endpoints: [member.facts.clientAddress], timeoutMs: 10_000 });
  try {
    return await use(kv);
  } finally {
    kv.close();
  }
}

test("a member without peers serves on the ports it was given, and finds its data again", async () => {
  const dataDir = directory();
  const first = await startMember(config(dataDir), silentLogger);
  expect(await withClient(first, (kv) => kv.put("k", "v"))).toMatchObject({ applied: true, revision: 1 });
  const status = await readMemberStatus(first.facts.clientAddress, 5000);
  expect(status).toMatchObject({ name: "default", role: "leader", memberId: first.facts.memberId, problems: [] });
  expect(status.clientAddress).toBe(first.facts.clientAddress);
  const ready = await fetch(`http://${first.facts.metricsAddress}/readyz`);
  expect([ready.status, first.facts.durability]).toEqual([200, "classic-level, synced before every acknowledgement"]);
  await first.drain();
  await first.close();

  const second = await startMember(config(dataDir), silentLogger);
  expect((await withClient(second, (kv) => kv.get("k"))).entry).toMatchObject({ value: "v", modRevision: 1 });
  await second.close();
});

test("a member that cannot start tells why and holds nothing", async () => {
  const dataDir = directory();
  const running = await startMember(config(directory()), silentLogger);
  for (const option of ["clientAddress", "peerAddress", "metricsAddress"] as const) {
    const flags = { [option]: running.facts[option] };
    const given = config(dataDir, {
      ...flags,
      advertisePeerAddress: "127.0.0.1:1",
      initialCluster: "default=127.0.0.1:1",
    });
    await expect(startMember(given, silentLogger)).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  }
  await expect(startMember(config(running.facts.dataDir), silentLogger)).rejects.toMatchObject({
    code: "DIRECTORY_LOCKED",
  });
  await running.close();

  const flags = { advertisePeerAddress: "127.0.0.1:1", initialCluster: "default=127.0.0.1:1" };
  const free = await startMember(config(dataDir, flags), silentLogger);
  await free.close();
  await expect(startMember(config(dataDir, { ...flags, clusterToken: "other" }), silentLogger)).rejects.toMatchObject({
    code: "DIRECTORY_MISMATCH",
  });
});

test.each([
  ["transport", "requestBytesMax"],
  ["replica", "heartbeatIntervalMs"],
  ["server", "keyBytesMax"],
] as const)("a start that breaks off before its %s is open holds nothing", async (_part, setting) => {
  const [clientAddress, peerAddress, metricsAddress] = (await findFreePorts(3)).map((port) => `127.0.0.1:${port}`);
  const good = config(directory(), { clientAddress, peerAddress, metricsAddress } as Record<string, string>);
  const bad = Object.defineProperty({ ...good }, setting, {
    get: () => {
      throw new Error(`no ${setting}`);
    },
  });
  await expect(startMember(bad, silentLogger)).rejects.toThrow(`no ${setting}`);
  const free = await startMember(good, silentLogger);
  await free.close();
});
