import { expect, test } from "vitest";
import { replicaOptions } from "../../src/cli/member-settings.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";

/** The replica's settings under these flags. */
function settings(flags: Record<string, string>) {
  const { config } = resolveOptions({ flags, env: {} });
  return replicaOptions(config);
}

test("the options of consensus reach the core", () => {
  const flags = { heartbeatInterval: "20ms", electionTimeout: "200ms", learnerPromotionLag: "7" };
  expect(settings(flags).raft).toMatchObject({
    heartbeatIntervalMs: 20,
    electionTimeoutMs: 200,
    promotionLagMax: 7,
    lease: null,
  });
  expect(settings({ linearizableReads: "lease", clockDriftLimit: "5%" }).raft.lease).toEqual({ clockDriftMax: 0.05 });
});

test("a heartbeat faster than the ticks makes them faster, but for one a millisecond", () => {
  expect(settings({}).tickIntervalMs).toBe(10);
  expect(settings({ heartbeatInterval: "10ms" }).tickIntervalMs).toBe(2);
  expect(settings({ heartbeatInterval: "5ms" }).tickIntervalMs).toBe(1);
});
