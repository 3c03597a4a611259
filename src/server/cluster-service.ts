import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import {
  type ClusterService,
  type GetStatusRequest,
  type GetStatusResponse,
  GetStatusResponseSchema,
  GetStatusResponse_RaftRole as GrpcRaftRole,
  type ListMembersRequest,
  type ListMembersResponse,
  ListMembersResponseSchema,
  type SnapshotTransfer,
  SnapshotTransferSchema,
} from "../gen/raftkv/v1/cluster_service_pb.ts";
import { isJoint, type MemberId } from "../raft/configuration.ts";
import { describeMembers } from "./describe-members.ts";
import { type MembershipServiceOptions, membershipHandlers } from "./membership-service.ts";
import { whenFresh } from "./read-path.ts";
import type { RaftRole } from "./replica-port.ts";
import { responseHeader } from "./response-header.ts";
import type { ServiceHandlers } from "./service-definition.ts";
import { type CallEnvironment, type UnaryCall, unaryHandler } from "./unary-call.ts";
import { readPolicy } from "./validate-request.ts";

/** What the cluster service needs beside what every call needs. */
export interface ClusterServiceOptions extends MembershipServiceOptions {
  /** What is wrong with this member, in words; empty when nothing is. */
  readonly problems: () => readonly string[];
  /** The replica's monotonic clock when the server was made. */
  readonly startedAtMs: number;
}

const raftRoles: Readonly<Record<RaftRole, GrpcRaftRole>> = {
  follower: GrpcRaftRole.FOLLOWER,
  preCandidate: GrpcRaftRole.PRE_CANDIDATE,
  candidate: GrpcRaftRole.CANDIDATE,
  leader: GrpcRaftRole.LEADER,
  learner: GrpcRaftRole.LEARNER,
};

/** Handlers of raftkv.v1.ClusterService over a replica. */
export function clusterService(
  environment: CallEnvironment,
  options: ClusterServiceOptions,
): ServiceHandlers<typeof ClusterService> {
  return {
    getStatus: unaryHandler(environment, (call) => getStatus(call, environment, options)),
    listMembers: unaryHandler(environment, (call) => listMembers(call, environment, options)),
    ...membershipHandlers(environment, options),
  };
}

function getStatus(
  call: UnaryCall<GetStatusRequest, GetStatusResponse>,
  environment: CallEnvironment,
  { reader, problems, startedAtMs }: ClusterServiceOptions,
): void {
  const { identity, replica } = environment;
  const status = replica.status();
  call.answer(
    create(GetStatusResponseSchema, {
      header: responseHeader(environment, BigInt(reader.revision())),
      name: identity.name,
      version: identity.version,
      role: raftRoles[status.role],
      commitIndex: BigInt(status.commitIndex),
      appliedIndex: BigInt(status.appliedIndex),
      firstIndex: BigInt(status.firstIndex),
      lastIndex: BigInt(status.lastIndex),
      logSizeBytes: BigInt(status.logSizeBytes),
      keys: BigInt(reader.keys()),
      sessions: BigInt(reader.sessions()),
      problems: [...problems()],
      uptime: duration(replica.now() - startedAtMs),
      clientAddress: identity.clientAddress,
      ...(status.snapshotReceived && {
        receivingSnapshot: transfer(status.snapshotReceived.from, status.snapshotReceived),
      }),
      sendingSnapshots: status.snapshotsSent.map((sent) => transfer(sent.to, sent)),
      maxValueBytes: BigInt(environment.limits.valueBytesMax),
    }),
  );
}

function transfer(
  memberId: MemberId,
  { index, bytes, totalBytes }: { readonly index: number; readonly bytes: number; readonly totalBytes: number },
): SnapshotTransfer {
  const figures = { index: BigInt(index), bytes: BigInt(bytes), totalBytes: BigInt(totalBytes) };
  return create(SnapshotTransferSchema, { memberId, ...figures });
}

function listMembers(
  call: UnaryCall<ListMembersRequest, ListMembersResponse>,
  environment: CallEnvironment,
  { reader }: ClusterServiceOptions,
): void {
  const policy = readPolicy(call.request.read);
  if ("reason" in policy) {
    call.refuse(policy);
    return;
  }
  const read = (): ListMembersResponse => {
    // One that may still be rolled back is no answer: another could take its index, which guards the next change.
    const { configuration, index } = environment.replica.status().committedConfiguration;
    return create(ListMembersResponseSchema, {
      header: responseHeader(environment, BigInt(reader.revision())),
      members: describeMembers(configuration, environment),
      configurationIndex: BigInt(index),
      joint: isJoint(configuration),
    });
  };
  whenFresh(call, policy, environment, reader, {
    ofPairs: false,
    read,
    answer: (response) => call.answer(response),
  });
}

function duration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.floor((ms - seconds * 1000) * 1e6) });
}
