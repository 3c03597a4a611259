import { expect, test } from "vitest";
import { LeaseRun, LeaseTally } from "./lease-run.ts";

// One seed, or another range: LEASE_SEED=17 npx vitest run test/raft/lease-fuzz.test.ts
const onlySeed = process.env["LEASE_SEED"];
const first = Number(onlySeed ?? process.env["LEASE_SEED_FIRST"] ?? 1);
const count = onlySeed === undefined ? Number(process.env["LEASE_SEEDS"] ?? 60) : 1;

test(`${count} random runs never read old data under a lease`, { timeout: 30_000 + 500 * count }, () => {
  const tally = new LeaseTally();
  for (let seed = first; seed < first + count; seed++) {
    try {
      new LeaseRun(seed, tally).run();
    } catch (cause) {
      const command = `LEASE_SEED=${seed} npx vitest run test/raft/lease-fuzz.test.ts`;
      throw new Error(`${String(cause)}\nreplay: ${command}`, { cause });
    }
  }
  // Reads go by the lease as a rule, and it outlasts contact and is lost to others: else nothing was tried.
  if (onlySeed !== undefined) return;
  expect(tally.leased).toBeGreaterThan(2 * tally.byRound);
  expect(tally.leasedWhileCut).toBeGreaterThan(20 * count);
  expect(tally.newLeaders).toBeGreaterThan(3 * count);
});
