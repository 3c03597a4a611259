import { afterEach, expect, test } from "vitest";
import { joinCluster } from "../../src/cli/join-cluster.ts";
import { ClusterService, type Member, Member_Role as Role } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { type Logger, silentLogger } from "../../src/lib/logger.ts";
import { on, refusal, startFakeMember } from "../client/fake-member.ts";

const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

type Listing = Pick<Member, "name" | "memberId" | "peerAddress" | "role">;

const n1: Listing = { name: "n1", memberId: "b".repeat(16), peerAddress: "h1:7001", role: Role.VOTER };
const n4: Listing = { name: "n4", memberId: "a".repeat(16), peerAddress: "h4:7001", role: Role.LEARNER };
const header = { clusterId: "c".repeat(16) };

/** Joins as n4 at h4:7001 a cluster that answers one listing after the other, the last for good. */
async function join(listings: readonly (readonly Listing[] | Error)[], timeoutMs = 5_000) {
  let asked = 0;
  const { address, stop } = await startFakeMember([
    on(ClusterService.method.listMembers, () => {
      const listing = listings[Math.min(asked++, listings.length - 1)];
      if (listing === undefined || listing instanceof Error) throw listing;
      return { header, members: [...listing], configurationIndex: 3n };
    }),
  ]);
  stops.push(stop);
  const told: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: ({ problem }) => told.push(problem) };
  const config = { name: "n4", advertisePeerAddress: "h4:7001", join: [address] as const };
  const joined = joinCluster(config, logger, { timeoutMs, intervalMs: 1 });
  return { joined, told };
}

test("takes ids from the cluster, and its members as those that do not vote", async () => {
  const { joined } = await join([[n1, n4]]);
  expect(await joined).toEqual({
    clusterId: "c".repeat(16),
    memberId: "a".repeat(16),
    bootstrapConfiguration: {
      voters: [],
      outgoingVoters: [],
      learners: [],
      nextLearners: [],
      members: [
        { id: "a".repeat(16), name: "n4", peerAddress: "h4:7001" },
        { id: "b".repeat(16), name: "n1", peerAddress: "h1:7001" },
      ],
    },
  });
});

test("waits until it is listed, and tells each obstacle once", async () => {
  const elsewhere = { ...n4, peerAddress: "h5:7001" };
  const { joined, told } = await join([[n1], [n1], refusal("INTERNAL", "INTERNAL"), [n1, elsewhere], [n1, n4]]);
  expect((await joined).memberId).toBe(n4.memberId);
  expect(told).toEqual([
    "n4 is no member yet: raftkv member add n4 --peer-address h4:7001",
    expect.stringContaining("refused with INTERNAL"),
    "n4 is listed at h5:7001, and this one advertises the peer address h4:7001",
  ]);
});

test.each([Role.VOTER, Role.LEAVING])("does not take the place of one that has voted (role %i)", async (role) => {
  const { joined } = await join([[n1, { ...n4, role }]], 50);
  await expect(joined).rejects.toMatchObject({
    code: "JOIN_FAILED",
    message: expect.stringContaining("raftkv member replace n4 n4 --peer-address h4:7001"),
  });
});
