import { describe, expect, test } from "vitest";
import type { Configuration } from "../../src/raft/configuration.ts";
import { judgeHashes } from "../../src/replica/hash-verdict.ts";

function configuration(voters: string, outgoingVoters = "", learners = ""): Configuration {
  const part = (ids: string) => Array.from(ids);
  return {
    voters: part(voters),
    outgoingVoters: part(outgoingVoters),
    learners: part(learners),
    nextLearners: [],
    members: [],
  };
}

/** `a1 b2` is: a has hash 1, b has 2. The member that asks is the first. */
function judge(told: string, voters: string, outgoingVoters = "", learners = ""): string {
  const hashes = new Map(told.split(" ").map(([id = "", hash = ""]) => [id, hash]));
  return judgeHashes(configuration(voters, outgoingVoters, learners), [...hashes.values()][0] ?? "", hashes).type;
}

describe("the hashes of one checkpoint", () => {
  test.each([
    ["a1 b1", "abc", "agreed"],
    ["a1 b1 c2", "abc", "agreed"],
    ["a1 b2 c2", "abc", "outvoted"],
    ["a1 b2", "abc", "pending"],
    ["a1", "abc", "pending"],
    ["a1 b2 c3", "abc", "split"],
    ["a1 b2", "ab", "split"],
    ["a1", "a", "agreed"],
    ["a1 b1 c2 d2", "abcd", "split"],
    ["a1 b2 c2 d2", "abcde", "outvoted"],
  ])("%s of voters %s are %s", (told, voters, verdict) => {
    expect(judge(told, voters)).toBe(verdict);
  });

  test("a learner is judged by the voters, and has no say", () => {
    expect(judge("l1 a2 b2", "abc")).toBe("outvoted");
    expect(judge("a1 l1", "abc")).toBe("pending");
    expect(judge("a1 b2 l1 m1", "ab")).toBe("split");
  });

  test("the only voter cuts no learner off on its own word, and none has to believe it", () => {
    for (const told of ["l1 a2", "a1 l2"]) expect(judge(told, "a", "", "l")).toBe("split");
    expect(judge("a1", "a", "", "l")).toBe("pending");
    expect(judge("a1 l1", "a", "", "l")).toBe("agreed");
    expect(judge("l1 a2 m2", "a", "", "lm")).toBe("outvoted");
    for (const told of ["a1 l2 m2", "l2 a1 m2"]) expect(judge(told, "a", "", "lm")).toBe("split");
    expect(judge("l1 a2", "a", "", "lm")).toBe("pending");
  });

  test("in a joint configuration a majority of both halves decides", () => {
    expect(judge("a1 b2 c2", "abc", "ade")).toBe("pending");
    expect(judge("a1 b2 c2 d2 e2", "abc", "ade")).toBe("outvoted");
    expect(judge("a1 b1 d1", "abc", "ade")).toBe("agreed");
  });

  test("nobody is judged before there is any voter", () => {
    expect(judge("a1", "")).toBe("pending");
  });
});
