import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { ClusterService, Member_Role as Role } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import type { ConfigurationMember } from "../../src/raft/configuration.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import { otherId, selfId } from "../server/fake-replica.ts";
import { failureOf, type ServerHarness, startServer } from "../server/server-harness.ts";

const { addMember, promoteMember, removeMember, replaceMember, transferLeadership } = ClusterService.method;
const n3 = { name: "n3", peerAddress: "n3.test:7000" };
const noForward = { metadata: { "raftkv-no-forward": "1" } };

/** Lets every change of the fake replica succeed: the member of the last edit is a learner then. */
function succeed({ replica }: ServerHarness): void {
  const { configuration } = replica.status();
  const learner: ConfigurationMember = { id: "00000000000000d4", ...n3, keepLearner: true };
  const members = [...configuration.members, learner];
  const changed = { ...configuration, learners: [learner.id], members };
  replica.changeOutcome = { type: "changed", configuration: changed, index: 21 };
}

async function countOf(server: ServerHarness, name: string, labels: Record<string, string>): Promise<number> {
  return sumSamples(parseMetrics(await server.metrics.expose("prometheus")), name, labels);
}

test("a list tells the newest committed configuration, not one that may be rolled back", async () => {
  const server = await startServer();
  const { configuration } = server.replica.status();
  const joining: ConfigurationMember = { id: "00000000000000d4", ...n3 };
  const members = [...configuration.members, joining];
  server.replica.become({
    configuration: { ...configuration, learners: [joining.id], members },
    configurationIndex: 9,
    committedConfiguration: { index: 5, configuration },
  });
  const answer = await server.call(ClusterService.method.listMembers, {});
  expect(answer.configurationIndex).toBe(5n);
  expect(answer.members.map(({ name }) => name)).toEqual(["n1", "n2"]);
});

describe("a change at the leader", () => {
  test("is asked for as the request says, and answered with the members after it", async () => {
    const server = await startServer();
    succeed(server);
    const answer = await server.call(removeMember, { member: "n2", expectedConfigurationIndex: 4n });
    expect(server.replica.changes).toEqual([{ edit: { type: "remove", member: "n2" }, expectedIndex: 4 }]);
    expect(answer.configurationIndex).toBe(21n);
    expect(answer.header).toMatchObject({ memberId: selfId, raftTerm: 7n });
    expect(answer.members.map(({ name, role, leader, keepLearner }) => [name, role, leader, keepLearner])).toEqual([
      ["n1", Role.VOTER, true, false],
      ["n2", Role.VOTER, false, false],
      ["n3", Role.LEARNER, false, true],
    ]);
    expect(await countOf(server, "raftkv_raft_membership_changes_total", { kind: "remove", result: "changed" })).toBe(
      1,
    );
  });

  test("gives each new member an id of its own", async () => {
    const server = await startServer();
    succeed(server);
    await server.call(addMember, n3);
    await server.call(replaceMember, { oldMember: "n2", ...n3, keepLearner: true });
    await server.call(promoteMember, { member: otherId });
    const [added, replaced, promoted] = server.replica.changes.map(({ edit }) => edit);
    expect(added).toEqual({ type: "add", member: { id: expect.stringMatching(/^[0-9a-f]{16}$/), ...n3 } });
    expect(replaced).toEqual({
      type: "replace",
      old: "n2",
      member: { id: expect.stringMatching(/^[0-9a-f]{16}$/), ...n3, keepLearner: true },
    });
    expect(promoted).toEqual({ type: "promote", member: otherId });
    const ids = [added, replaced].map((edit) => (edit !== undefined && "member" in edit ? edit.member : edit));
    expect(ids[0]).not.toEqual(ids[1]);
  });

  test.each([
    ["MEMBER_UNKNOWN", status.NOT_FOUND, /no member has the id or name "n9"/],
    ["NOT_A_LEARNER", status.FAILED_PRECONDITION, /n9 is no learner/],
    ["LEARNER_NOT_READY", status.FAILED_PRECONDITION, /n9 has not caught up/],
    ["CONFIG_CHANGE_IN_PROGRESS", status.FAILED_PRECONDITION, /another change/],
    ["TRANSFER_IN_PROGRESS", status.FAILED_PRECONDITION, /on its way to another member/],
    ["CONFIGURATION_CHANGED", status.FAILED_PRECONDITION, /index 1, not the expected one/],
    ["TARGET_INVALID", status.FAILED_PRECONDITION, /would leave no voter/],
    ["NOT_LEADER", status.UNAVAILABLE, /does not lead/],
    ["MEMBER_EXISTS", status.ALREADY_EXISTS, /its name or its peer address/],
    ["TOO_MANY_MEMBERS", status.FAILED_PRECONDITION, /15 members at most/],
  ] as const)("refused as %s says why", async (reason, code, message) => {
    const server = await startServer();
    server.replica.changeOutcome = { type: "refused", reason };
    const failure = await failureOf(server.call(promoteMember, { member: "n9" }));
    expect([failure.reason, failure.code]).toEqual([reason, code]);
    expect(failure.message).toMatch(message);
    const refused = { kind: "promote", result: "refused" };
    expect(await countOf(server, "raftkv_raft_membership_changes_total", refused)).toBe(1);
  });

  test("refused for a name that is taken says whose", async () => {
    const server = await startServer();
    server.replica.changeOutcome = { type: "refused", reason: "MEMBER_EXISTS" };
    expect((await failureOf(server.call(addMember, n3))).message).toMatch(/^n3 cannot be added/);
    const replacement = { oldMember: "n1", ...n3 };
    expect((await failureOf(server.call(replaceMember, replacement))).message).toMatch(/^n3 cannot be added/);
  });

  test("refused for the quorum's sake names the silent members", async () => {
    const server = await startServer();
    server.replica.become({
      peers: [{ memberId: otherId, matchIndex: 0, inflightMessages: 0, contactAgeMs: 5_000 }],
    });
    server.replica.changeOutcome = { type: "refused", reason: "QUORUM_AT_RISK" };
    const failure = await failureOf(server.call(addMember, n3));
    expect(failure.facts).toEqual({ silent: "n2" });
    expect(failure.message).toContain("silent: n2");
  });

  test("begun, and no longer followed, has an unknown outcome", async () => {
    const server = await startServer();
    const failure = await failureOf(server.call(addMember, n3));
    expect([failure.reason, failure.code]).toEqual(["OUTCOME_UNKNOWN", status.DEADLINE_EXCEEDED]);
    expect(failure.message).toContain("list the members");
  });

  test.each([
    [{ ...n3, name: "n 3" }, "name"],
    [{ ...n3, name: "" }, "name"],
    [{ ...n3, peerAddress: "n3" }, "peer_address"],
    [{ ...n3, peerAddress: "n3:0" }, "peer_address"],
    [{ ...n3, peerAddress: "0.0.0.0:7001" }, "peer_address"],
  ])("is refused for what no member can have: %j", async (request, field) => {
    const server = await startServer();
    const failure = await failureOf(server.call(addMember, request));
    expect([failure.reason, failure.code]).toEqual(["MEMBER_INVALID", status.INVALID_ARGUMENT]);
    expect(failure.facts).toEqual({ field });
    expect(server.replica.changes).toEqual([]);
  });
});

describe("a change at another member", () => {
  async function startFollower(leaderAddress: string): Promise<ServerHarness> {
    const follower = await startServer();
    follower.replica.otherClientAddress = leaderAddress;
    follower.replica.become({ role: "follower", leaderId: otherId });
    return follower;
  }

  test("is passed on to the leader and answered as the leader does", async () => {
    const leader = await startServer();
    succeed(leader);
    const follower = await startFollower(leader.clientAddress);
    const answer = await follower.call(addMember, n3);
    expect(answer.members).toHaveLength(3);
    expect([leader.replica.changes.length, follower.replica.changes.length]).toEqual([1, 0]);
  });

  test("keeps the leader's refusal, with its details", async () => {
    const leader = await startServer();
    leader.replica.changeOutcome = { type: "refused", reason: "CONFIG_CHANGE_IN_PROGRESS" };
    const follower = await startFollower(leader.clientAddress);
    const failure = await failureOf(follower.call(addMember, n3));
    expect([failure.reason, failure.code]).toEqual(["CONFIG_CHANGE_IN_PROGRESS", status.FAILED_PRECONDITION]);
    expect(failure.retryDelayMs).toBe(100);
  });

  test("is not passed on twice", async () => {
    const one = await startFollower("");
    const two = await startFollower(one.clientAddress);
    one.replica.otherClientAddress = two.clientAddress;
    const failure = await failureOf(two.call(addMember, n3));
    expect([failure.reason, failure.code]).toEqual(["NOT_LEADER", status.UNAVAILABLE]);
  });

  test("is refused where passing it on is not wanted, not possible, or fails", async () => {
    const gone = await startServer();
    await gone.server.close();
    const follower = await startFollower(gone.clientAddress);
    const unwanted = await failureOf(follower.call(addMember, n3, noForward));
    const unreachable = await failureOf(follower.call(addMember, n3));
    follower.replica.otherClientAddress = "";
    const unknown = await failureOf(follower.call(addMember, n3));
    expect([unwanted, unreachable, unknown].map(({ reason }) => reason)).toEqual(Array(3).fill("NOT_LEADER"));
    expect(unreachable.message).toContain(`the leader at ${gone.clientAddress} cannot be reached`);
  });

  test("is refused while there is no leader, with when to come back", async () => {
    const follower = await startFollower("");
    follower.replica.become({ leaderId: null });
    const failure = await failureOf(follower.call(addMember, n3));
    expect([failure.reason, failure.retryDelayMs]).toEqual(["NO_LEADER", 500]);
  });
});

describe("a transfer of leadership", () => {
  test("tells both leaders", async () => {
    const server = await startServer();
    server.replica.transferOutcome = { type: "transferred", from: selfId, to: otherId };
    const answer = await server.call(transferLeadership, {});
    expect([answer.oldLeaderId, answer.newLeaderId]).toEqual([selfId, otherId]);
    await server.call(transferLeadership, { target: "n2" });
    expect(server.replica.transfers).toEqual([null, "n2"]);
    const transferred = { reason: "request", result: "transferred" };
    expect(await countOf(server, "raftkv_raft_leadership_transfers_total", transferred)).toBe(2);
  });

  test.each([
    ["MEMBER_UNKNOWN", "MEMBER_UNKNOWN", status.NOT_FOUND],
    ["TARGET_NOT_VOTER", "TARGET_INVALID", status.FAILED_PRECONDITION],
    ["TRANSFER_IN_PROGRESS", "TRANSFER_IN_PROGRESS", status.FAILED_PRECONDITION],
    ["NOT_LEADER", "NOT_LEADER", status.UNAVAILABLE],
  ] as const)("refused as %s is told as %s", async (reason, told, code) => {
    const server = await startServer();
    server.replica.transferOutcome = { type: "refused", reason };
    const failure = await failureOf(server.call(transferLeadership, { target: "n2" }));
    expect([failure.reason, failure.code]).toEqual([told, code]);
  });

  test("that came to nothing tells what to do", async () => {
    const server = await startServer();
    const failure = await failureOf(server.call(transferLeadership, { target: "n2" }));
    expect([failure.reason, failure.code]).toEqual(["TRANSFER_FAILED", status.ABORTED]);
    expect(failure.message).toMatch(/n2 did not take over .*raftkv status/);
  });
});
