import { expect, test } from "vitest";
import { type Configuration, votersOnly } from "../../src/raft/configuration.ts";
import { Strangers } from "../../src/replica/strangers.ts";

const member = (id: string) => ({ id, name: `n-${id}`, peerAddress: `${id}.example:7001` });
const hello = (id: string, peerAddress = `${id}.example:7001`) => {
  return { memberId: id, name: `n-${id}`, dataDirectoryId: "d", clientAddress: "c:1", peerAddress };
};

/** A member whose configuration is a, b and c. */
function behind() {
  const view: { leaderId: string | null; configuration: Configuration; reachableMembers: Configuration["members"] } = {
    leaderId: null,
    configuration: votersOnly(["a", "b", "c"].map(member)),
    reachableMembers: ["a", "b", "c"].map(member),
  };
  return { view, strangers: new Strangers(view) };
}

test("a member that follows nobody lets in whoever tells how to be answered", () => {
  const { strangers } = behind();
  expect(["a", "x"].map((id) => strangers.isStranger(id))).toEqual([false, true]);
  expect(strangers.mayEnter(hello("x"))).toBe(true);
  expect(strangers.mayEnter(hello("x", ""))).toBe(false);
  strangers.letIn(hello("x"));
  expect(strangers.list()).toEqual([member("x")]);
});

test("a member that follows one of its own configuration lets nobody in, and forgets who was", () => {
  const { view, strangers } = behind();
  strangers.letIn(hello("x"));
  expect(strangers.forget()).toBe(false);
  view.leaderId = "b";
  expect(strangers.mayEnter(hello("y"))).toBe(false);
  expect([strangers.forget(), strangers.list()]).toEqual([true, []]);
});

test("a stranger that leads stays, until the configuration has it", () => {
  const { view, strangers } = behind();
  strangers.letIn(hello("x"));
  view.leaderId = "x";
  expect([strangers.forget(), strangers.mayEnter(hello("y"))]).toEqual([false, true]);
  view.configuration = votersOnly(["a", "x"].map(member));
  view.reachableMembers = view.configuration.members;
  expect([strangers.forget(), strangers.list()]).toEqual([true, []]);
});

test("the leader stays linked when an older configuration lacks it", () => {
  const { view, strangers } = behind();
  view.leaderId = "x";
  strangers.keepLeader({ hello: (id) => hello(id) });
  expect(strangers.list()).toEqual([member("x")]);
});

test("no more than sixteen are let in", () => {
  const { strangers } = behind();
  for (let n = 0; n < 16; n++) strangers.letIn(hello(`x${n}`));
  expect([strangers.mayEnter(hello("x16")), strangers.mayEnter(hello("x3"))]).toEqual([false, true]);
});
