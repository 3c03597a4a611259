import { describe, expect, test } from "vitest";
import { votersOnly } from "../../src/raft/configuration.ts";
import { allWell, describeChecks, Probes } from "../../src/server/probes.ts";
import { FakeReplica, testIdentity } from "./fake-replica.ts";

function probesOf(change: Parameters<FakeReplica["become"]>[0] = {}) {
  const replica = new FakeReplica();
  let nowMs = 0;
  replica.now = () => nowMs;
  replica.become(change);
  const probes = new Probes({ replica, identity: testIdentity });
  const passTime = (ms: number) => {
    nowMs += ms;
  };
  return { replica, probes, passTime };
}

describe("a member is ready", () => {
  test("when it has started and caught up, and not before", () => {
    const { probes, replica } = probesOf({ caughtUp: false });
    expect(allWell(probes.ready())).toBe(false);
    replica.become({ caughtUp: true });
    expect(allWell(probes.ready())).toBe(false);
    probes.markStarted();
    expect(allWell(probes.ready())).toBe(true);
  });

  test("still, when the leader is lost after it has caught up once", () => {
    const { probes, replica } = probesOf();
    probes.markStarted();
    expect(allWell(probes.ready())).toBe(true);
    replica.become({ caughtUp: false, leaderId: null, role: "preCandidate", leaderContactAgeMs: 1e9 });
    expect(allWell(probes.ready())).toBe(true);
  });

  test("no more when it drains, or is no member", () => {
    const { probes, replica } = probesOf();
    probes.markStarted();
    replica.become({ configuration: votersOnly([]) });
    expect(describeChecks(probes.ready())).toContain("[-]membership failed");
    replica.become({ configuration: new FakeReplica().status().configuration });
    probes.markDraining();
    expect(describeChecks(probes.ready())).toContain("[-]draining failed: is shutting down\n");
  });

  test("no more when it lags for long, but again as soon as it does not", () => {
    const { probes, replica, passTime } = probesOf({ commitIndex: 20_000, appliedIndex: 1 });
    probes.markStarted();
    expect(allWell(probes.ready())).toBe(true);
    passTime(30_000);
    expect(allWell(probes.ready())).toBe(true);
    passTime(1);
    expect(describeChecks(probes.ready())).toContain("[-]apply-lag failed: 19999 committed entries");
    replica.become({ appliedIndex: 19_000 });
    expect(allWell(probes.ready())).toBe(true);
    replica.become({ appliedIndex: 1 });
    expect(allWell(probes.ready())).toBe(true);
  });
});

test("a member lives whatever becomes of the cluster", () => {
  const { probes } = probesOf({ leaderId: null, caughtUp: false });
  expect(allWell(probes.live())).toBe(true);
});
