import { expect, test } from "vitest";
import { bootstrapConfiguration, clusterIdentity } from "../../src/config/cluster-identity.ts";

const n1 = { name: "n1", peerAddress: "h1:7001" };
const n2 = { name: "n2", peerAddress: "h2:7001" };

test("identities do not change from version to version", () => {
  expect(clusterIdentity("raftkv", [n1, n2])).toEqual({
    clusterId: "2784fe5c842be5b8",
    members: [
      { ...n1, memberId: "b3586f778ed86636" },
      { ...n2, memberId: "d2b1ecafe09ca3ff" },
    ],
  });
});

test("the order of the list does not matter", () => {
  expect(clusterIdentity("raftkv", [n2, n1])).toEqual(clusterIdentity("raftkv", [n1, n2]));
});

test("trap 46: another token, member or address makes another cluster and other members", () => {
  const clusters = [
    clusterIdentity("raftkv", [n1, n2]),
    clusterIdentity("other", [n1, n2]),
    clusterIdentity("raftkv", [n1]),
    clusterIdentity("raftkv", [n1, { ...n2, peerAddress: "h2:7002" }]),
    clusterIdentity("raftkv", [n1, { ...n2, name: "n3" }]),
  ];
  expect(new Set(clusters.map((cluster) => cluster.clusterId)).size).toBe(clusters.length);
  expect(new Set(clusters.map((cluster) => cluster.members[0]?.memberId)).size).toBe(clusters.length);
});

test("the cluster starts with every initial member as a voter", () => {
  const configuration = bootstrapConfiguration(clusterIdentity("raftkv", [n2, n1]));
  expect(configuration).toMatchObject({ voters: ["b3586f778ed86636", "d2b1ecafe09ca3ff"], learners: [] });
  expect(configuration.members[1]).toEqual({ id: "d2b1ecafe09ca3ff", ...n2 });
});
