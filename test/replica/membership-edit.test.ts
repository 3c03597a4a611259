import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Configuration } from "../../src/raft/configuration.ts";
import { enterChange, targetProblem } from "../../src/raft/configuration-change.ts";
import { applyEdit, findMember, type MembershipEdit } from "../../src/replica/membership-edit.ts";
import { configured } from "./replica-cluster.ts";

const configuration: Configuration = {
  voters: ["a", "b"],
  outgoingVoters: [],
  learners: ["c"],
  nextLearners: [],
  members: ["a", "b", "c"].map(configured),
};

/** Voters and learners that an edit leads to, or why it does not. */
function come(edit: MembershipEdit): unknown {
  const target = applyEdit(configuration, edit);
  return typeof target === "string" ? target : { voters: target.voters, learners: target.learners };
}

test("a member is found by id or by name, by id first", () => {
  expect(findMember(configuration, "b")?.id).toBe("b");
  expect(findMember(configuration, "name-b")?.id).toBe("b");
  expect(findMember(configuration, "name-d")).toBeUndefined();
  const twisted = { ...configuration, members: [{ ...configured("a"), name: "b" }, configured("b")] };
  expect(findMember(twisted, "b")?.id).toBe("b");
});

describe("add", () => {
  test("makes a learner", () => {
    expect(come({ type: "add", member: configured("d") })).toEqual({ voters: ["a", "b"], learners: ["c", "d"] });
  });

  test.each([
    { what: "id", member: { ...configured("d"), id: "a" } },
    { what: "name", member: { ...configured("d"), name: "name-c" } },
    { what: "address", member: { ...configured("d"), peerAddress: "b" } },
  ])("refuses the $what of another member", ({ member }) => {
    expect(come({ type: "add", member })).toBe("MEMBER_EXISTS");
  });
});

test("a cluster has fifteen members at most, learners counted; one may still be replaced", () => {
  const ids = Array.from({ length: 15 }, (_, number) => `m${number}`);
  const [learner = "", ...voters] = ids;
  const full = { ...configuration, voters, learners: [learner], members: ids.map(configured) };
  const roomy = { ...full, voters: voters.slice(1), members: full.members.filter(({ id }) => id !== voters[0]) };
  expect(applyEdit(full, { type: "add", member: configured("z") })).toBe("TOO_MANY_MEMBERS");
  expect(applyEdit(roomy, { type: "add", member: configured("z") })).toMatchObject({ learners: [learner, "z"] });
  expect(applyEdit(full, { type: "replace", old: "m1", member: configured("z") })).toMatchObject({
    learners: [learner, "z"],
  });
});

test("promote makes a learner a voter, and nobody else", () => {
  expect(come({ type: "promote", member: "name-c" })).toEqual({ voters: ["a", "b", "c"], learners: [] });
  expect(come({ type: "promote", member: "a" })).toBe("NOT_A_LEARNER");
  expect(come({ type: "promote", member: "z" })).toBe("MEMBER_UNKNOWN");
});

test("remove takes voters and learners out", () => {
  expect(come({ type: "remove", member: "a" })).toEqual({ voters: ["b"], learners: ["c"] });
  expect(come({ type: "remove", member: "name-c" })).toEqual({ voters: ["a", "b"], learners: [] });
  expect(come({ type: "remove", member: "z" })).toBe("MEMBER_UNKNOWN");
});

describe("replace", () => {
  test("takes one out and a new one in as learner, in one change, even at the same name and address", () => {
    const sameHost = { ...configured("a"), id: "d" };
    expect(come({ type: "replace", old: "a", member: sameHost })).toEqual({ voters: ["b"], learners: ["c", "d"] });
    const target = applyEdit(configuration, { type: "replace", old: "a", member: sameHost });
    if (typeof target === "string") expect.fail(target);
    expect(enterChange(configuration, target).members.filter(({ name }) => name === "name-a")).toHaveLength(2);
  });

  test.each([
    { what: "the id that is replaced", member: configured("a") },
    { what: "the id of a third", member: { ...configured("d"), id: "b" } },
    { what: "the address of a third", member: { ...configured("d"), peerAddress: "c" } },
  ])("refuses $what", ({ member }) => {
    expect(come({ type: "replace", old: "a", member })).toBe("MEMBER_EXISTS");
  });

  test("of nobody is refused", () => {
    expect(come({ type: "replace", old: "z", member: configured("d") })).toBe("MEMBER_UNKNOWN");
  });
});

test("what any row of edits leads to can be entered, or is refused for want of voters", () => {
  const who = fc.constantFrom("a", "b", "c", "d", "name-a", "name-e");
  const member = fc.constantFrom("a", "d", "e").map(configured);
  const edits: fc.Arbitrary<MembershipEdit> = fc.oneof(
    member.map((each) => ({ type: "add", member: each }) as const),
    who.map((each) => ({ type: "promote", member: each }) as const),
    who.map((each) => ({ type: "remove", member: each }) as const),
    fc.tuple(who, member).map(([old, each]) => ({ type: "replace", old, member: each }) as const),
  );
  fc.assert(
    fc.property(fc.array(edits, { maxLength: 8 }), (row) => {
      let current = configuration;
      for (const edit of row) {
        const target = applyEdit(current, edit);
        if (typeof target === "string") continue;
        const problem = targetProblem(current, target);
        expect([undefined, "no voter would be left"]).toContain(problem);
        if (problem !== undefined) continue;
        const next = enterChange(current, target);
        const addresses = next.voters.concat(next.learners).map((id) => findMember(next, id)?.peerAddress);
        expect(new Set(addresses).size).toBe(addresses.length);
        current = {
          ...next,
          outgoingVoters: [],
          nextLearners: [],
          members: next.members.filter(({ id }) => next.voters.includes(id) || next.learners.includes(id)),
        };
      }
    }),
  );
});
