import { describe, expect, test } from "vitest";
import { append, appended } from "./messages.ts";
import { entriesOf, TestMember } from "./test-member.ts";

function pictureOf(member: TestMember): unknown {
  return JSON.parse(JSON.stringify(member.node));
}

describe("the picture of a core", () => {
  test("is equal for members to whom the same happened", () => {
    const [one, other] = [new TestMember(), new TestMember()];
    for (const member of [one, other]) {
      member.lead();
      member.node.propose([Uint8Array.of(1)], 0);
      member.drain();
    }
    expect(pictureOf(one)).toEqual(pictureOf(other));
  });

  test("tells members apart that would act differently, and shows what makes the difference", () => {
    const [one, other] = [new TestMember(), new TestMember()];
    for (const member of [one, other]) member.lead();
    other.hear(appended(1, 1, { from: "b" }));
    expect(pictureOf(one)).not.toEqual(pictureOf(other));
    expect(pictureOf(other)).toMatchObject({ role: "leader", commitIndex: 1, progress: { b: { matchIndex: 1 } } });
  });

  test("shows what is not yet durable, and what waits for it", () => {
    const member = new TestMember();
    member.node.step(append(1, { from: "b", entries: entriesOf([1]) }), 0);
    expect(pictureOf(member)).toMatchObject({
      leaderId: "b",
      log: { lastIndex: 1, durableIndex: 0, tail: [{ index: 1, term: 1 }] },
      deferredMessages: [{ type: "AppendEntriesResponse", matchIndex: 1 }],
    });
  });
});
