import { onTestFinished } from "vitest";
import { ClusterService } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { type FakeMethod, on, startFakeMember } from "./fake-member.ts";

const { getStatus, listMembers } = ClusterService.method;

/** A member of a {@link startFakeCluster}. */
export interface FakeClusterMember {
  readonly name: string;
  readonly memberId: string;
  clientAddress: string;
}

/** Starts n1, n2, … that know each other until the test ends; `methodsOf` is what the one at a position answers besides. */
export async function startFakeCluster(
  size: number,
  methodsOf: (member: FakeClusterMember, position: number) => readonly FakeMethod[],
): Promise<FakeClusterMember[]> {
  const members: FakeClusterMember[] = [];
  for (let position = 0; position < size; position++) {
    const n = `${position + 1}`;
    const member = { name: `n${n}`, memberId: n.repeat(16), clientAddress: "" };
    members.push(member);
    const { address, stop } = await startFakeMember([
      on(getStatus, () => ({ header: { memberId: member.memberId }, ...member })),
      on(listMembers, () => ({ members })),
      ...methodsOf(member, position),
    ]);
    member.clientAddress = address;
    onTestFinished(stop);
  }
  return members;
}
