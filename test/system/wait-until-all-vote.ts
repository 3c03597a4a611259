import { ClusterService, Member_Role as Role } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";

/** Waits until exactly the members of the cluster vote, as `witness` tells it. */
export async function waitUntilAllVote(cluster: ProcessCluster, witness: ClusterMember): Promise<void> {
  const names = cluster.members.map(({ name }) => name).sort();
  await waitUntil(
    async () => {
      const result = await witness.client.call(ClusterService.method.listMembers, {});
      if (!result.ok || result.response.joint) return false;
      const voters = result.response.members.filter(({ role }) => role === Role.VOTER).map(({ name }) => name);
      return result.response.members.length === names.length && voters.join() === names.join();
    },
    { what: `exactly ${names.join(", ")} vote`, timeoutMs: 60_000 },
  );
}
