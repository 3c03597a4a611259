import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Configuration, isJoint, type MemberId } from "../../src/raft/configuration.ts";
import {
  enterChange,
  leaveJoint,
  type MembershipTarget,
  targetOf,
  targetProblem,
  withLearner,
  withPromoted,
  withRemoved,
} from "../../src/raft/configuration-change.ts";
import { target, voters } from "./test-member.ts";

const ids = ["a", "b", "c", "d", "e", "f"];

/** Any target with a voter, its lists in any order. */
const targets: fc.Arbitrary<MembershipTarget> = fc
  .tuple(fc.shuffledSubarray(ids, { minLength: 1 }), fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }))
  .chain(([chosen, votes]) => {
    const incoming = chosen.filter((_id, position) => position === 0 || votes[position]);
    const learners = chosen.filter((id) => !incoming.includes(id));
    const members = chosen.map((id) => ({ id, name: id, peerAddress: `${id}:1` }));
    return fc.shuffledSubarray(members, { minLength: members.length }).map((shuffled) => {
      return { voters: incoming, learners, members: shuffled };
    });
  });

/** Plain configurations, each reached by a change of its own. */
const plain: fc.Arbitrary<Configuration> = targets.map((goal) => settle(voters("g"), goal));

function settle(current: Configuration, goal: MembershipTarget): Configuration {
  const next = enterChange(current, goal);
  return isJoint(next) ? leaveJoint(next) : next;
}

/** The invariants that {@link Configuration} states. */
function expectWellFormed({ voters: incoming, outgoingVoters, learners, nextLearners, members }: Configuration): void {
  const memberIds = members.map(({ id }) => id);
  for (const list of [incoming, outgoingVoters, learners, nextLearners, memberIds]) {
    expect(list).toEqual([...new Set(list)].sort());
  }
  expect(incoming.length).toBeGreaterThan(0);
  for (const id of learners) expect([...incoming, ...outgoingVoters]).not.toContain(id);
  for (const id of nextLearners) expect(incoming).not.toContain(id);
  expect(outgoingVoters).toEqual(expect.arrayContaining([...nextLearners]));
  expect(memberIds).toEqual([...new Set([...incoming, ...outgoingVoters, ...learners, ...nextLearners])].sort());
}

/** Every set of members that decides. */
function quorums({ voters: incoming, outgoingVoters }: Configuration): MemberId[][] {
  const all = [...ids, "g"];
  const sets = Array.from({ length: 2 ** all.length }, (_, bits) => all.filter((_id, bit) => bits & (1 << bit)));
  const most = (half: readonly MemberId[], set: MemberId[]): boolean =>
    2 * half.filter((id) => set.includes(id)).length > half.length;
  return sets.filter((set) => most(incoming, set) && (outgoingVoters.length === 0 || most(outgoingVoters, set)));
}

/** Quorums of which no part is one: those that share least with others. */
function smallestQuorums(configuration: Configuration): MemberId[][] {
  const all = quorums(configuration);
  return all.filter((set) => !all.some((other) => other.length < set.length && other.every((id) => set.includes(id))));
}

describe("from any configuration to any other", () => {
  test("both steps are well formed", () => {
    fc.assert(
      fc.property(plain, targets, (current, goal) => {
        const next = enterChange(current, goal);
        expectWellFormed(next);
        if (isJoint(next)) expectWellFormed(leaveJoint(next));
      }),
    );
  });

  test("the end is the target, with its addresses", () => {
    fc.assert(
      fc.property(plain, targets, (current, goal) => {
        const end = settle(current, goal);
        expect(isJoint(end)).toBe(false);
        expect(end.voters).toEqual([...goal.voters].sort());
        expect(end.learners).toEqual([...goal.learners].sort());
        expect(new Set(end.members)).toEqual(new Set(goal.members));
      }),
    );
  });

  test("nobody is without an address on the way, who goes and who comes", () => {
    fc.assert(
      fc.property(plain, targets, (current, goal) => {
        const next = enterChange(current, goal);
        const reached = next.members.map(({ id }) => id);
        if (isJoint(next)) expect(reached).toEqual(expect.arrayContaining([...current.voters, ...goal.voters]));
      }),
    );
  });

  test("a quorum of each configuration shares a member with every quorum of the next (thesis, section 4.3)", () => {
    fc.assert(
      fc.property(plain, targets, (current, goal) => {
        const next = enterChange(current, goal);
        const steps = isJoint(next) ? [current, next, leaveJoint(next)] : [current, next];
        for (let i = 1; i < steps.length; i++) {
          const [before, after] = [steps[i - 1] ?? current, steps[i] ?? next].map(smallestQuorums);
          for (const one of before ?? []) {
            for (const other of after ?? []) expect(one.some((id) => other.includes(id))).toBe(true);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("voters change through a joint configuration, learners directly", () => {
    fc.assert(
      fc.property(plain, targets, (current, goal) => {
        const sameVoters = [...goal.voters].sort().join() === current.voters.join();
        expect(isJoint(enterChange(current, goal))).toBe(!sameVoters);
      }),
    );
  });
});

test("an outgoing voter that stays votes until the joint configuration is left", () => {
  const joint = enterChange(voters("a", "b", "c"), target("ab", "cd"));
  expect(joint).toMatchObject({ outgoingVoters: ["a", "b", "c"], learners: ["d"], nextLearners: ["c"] });
  expect(leaveJoint(joint)).toMatchObject({ voters: ["a", "b"], outgoingVoters: [], learners: ["c", "d"] });
});

test("a member that is named again takes its new address along", () => {
  const moved = { ...target("ab"), members: [...target("a").members, { id: "b", name: "b", peerAddress: "new" }] };
  expect(enterChange(voters("a", "b"), moved).members.map(({ peerAddress }) => peerAddress)).toEqual(["a", "new"]);
});

test("edits of a target", () => {
  const start = targetOf(voters("a", "b"));
  const [newMember] = target("c").members;
  if (newMember === undefined) throw new Error("no member");
  const added = withLearner(start, newMember);
  expect(enterChange(voters("a", "b"), added)).toMatchObject({ voters: ["a", "b"], learners: ["c"] });
  expect(withPromoted(added, "c")).toMatchObject({ voters: ["a", "b", "c"], learners: [] });
  expect(withRemoved(added, "c")).toMatchObject({ voters: ["a", "b"], learners: [] });
  expect(withRemoved(added, "a")).toMatchObject({ voters: ["b"], learners: ["c"] });
});

test("what a joint configuration comes to is its target", () => {
  const goal = target("ab", "cd");
  const { voters: incoming, learners } = targetOf(enterChange(voters("a", "b", "c"), goal));
  expect([incoming, [...learners].sort()]).toEqual([goal.voters, goal.learners]);
});

test.each([
  { name: "without voters", goal: target("", "a"), problem: "no voter would be left" },
  { name: "with a member twice among the voters", goal: target("aa"), problem: "a member is named twice" },
  { name: "with a member both voter and learner", goal: target("ab", "a"), problem: "a member is named twice" },
  { name: "with an unknown member", goal: { ...target("ab"), members: [] }, problem: "member a has no address" },
])("a target $name is refused", ({ goal, problem }) => {
  expect(targetProblem(voters("a", "b"), goal)).toBe(problem);
});

test("no target is fine while a change is under way, and every other one is otherwise", () => {
  expect(targetProblem(enterChange(voters("a"), target("b")), target("c"))).toBe("a change is under way");
  fc.assert(fc.property(plain, targets, (current, goal) => targetProblem(current, goal) === undefined));
});
