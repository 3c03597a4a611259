import { expect, test } from "vitest";
import { votersOnly } from "../../src/raft/configuration.ts";
import { defaultRaftOptions } from "../../src/raft/options.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import { seededRandom } from "../../src/raft/random.ts";
import { ChangeDetector } from "../../src/replica/change-detector.ts";
import { configured } from "./replica-cluster.ts";

/** A follower that takes, from leader "b" of `term`, a configuration of these voters at index 1. */
function follower() {
  const node = new RaftNode(
    "a",
    {
      hardState: { term: 1, votedFor: null, commitIndex: 0 },
      log: { base: { index: 0, term: 0 }, lastIndex: 0, termRuns: [] },
      baseConfiguration: { index: 0, configuration: votersOnly([configured("a")]) },
      configurationEntries: [],
      appliedIndex: 0,
    },
    defaultRaftOptions,
    seededRandom(1),
  );
  const take = (term: number, voters: string[], commitIndex = 0): void => {
    const configuration = votersOnly(voters.map(configured));
    const entries = [{ kind: "configuration", index: 1, term, timeMs: 0, configuration } as const];
    const head = { type: "AppendEntriesRequest", from: "b", to: "a", term, prevLogIndex: 0, prevLogTerm: 0 } as const;
    node.step({ ...head, entries, commitIndex }, 0);
  };
  return { node, take };
}

test("a configuration is noticed once, and again when it is committed", () => {
  const { node, take } = follower();
  const detector = new ChangeDetector(node);
  expect(detector.look(false)).toEqual({ configuration: true, anything: true });
  expect(detector.look(false)).toEqual({ configuration: false, anything: false });
  take(1, ["a", "b"]);
  expect(detector.look(false)).toEqual({ configuration: true, anything: true });
  take(1, ["a", "b"], 1);
  expect(detector.look(false)).toEqual({ configuration: true, anything: true });
  expect(detector.look(false)).toEqual({ configuration: false, anything: false });
});

test("another leader's configuration at the same index is noticed", () => {
  const { node, take } = follower();
  const detector = new ChangeDetector(node);
  take(1, ["a", "b"]);
  detector.look(false);
  take(2, ["a", "b", "c"]);
  expect(detector.look(false)).toMatchObject({ configuration: true });
});

test("readiness is worth telling, and no change of the configuration", () => {
  const detector = new ChangeDetector(follower().node);
  detector.look(false);
  expect(detector.look(true)).toEqual({ configuration: false, anything: true });
});
