import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Member, Member_Role as MemberRole, MemberSchema } from "../gen/raftkv/v1/cluster_service_pb.ts";
import type { Configuration, ConfigurationMember, MemberId } from "../raft/configuration.ts";
import type { ReplicaStatus } from "./replica-port.ts";
import type { CallEnvironment } from "./unary-call.ts";

/** The members of a configuration, ordered by name, with what the answering member knows of each. */
export function describeMembers(configuration: Configuration, environment: CallEnvironment): Member[] {
  const status = { ...environment.replica.status(), configuration };
  const ordered = [...configuration.members].sort((a, b) => Buffer.from(a.name).compare(Buffer.from(b.name)));
  return ordered.map((member) => describeMember(member, status, environment));
}

function describeMember(member: ConfigurationMember, status: ReplicaStatus, environment: CallEnvironment): Member {
  const { identity, replica } = environment;
  const self = member.id === identity.memberId;
  const described = create(MemberSchema, {
    memberId: member.id,
    name: member.name,
    peerAddress: member.peerAddress,
    clientAddress: self ? identity.clientAddress : (replica.peerHello(member.id)?.clientAddress ?? ""),
    role: memberRole(status.configuration, member.id),
    leader: member.id === status.leaderId,
    keepLearner: member.keepLearner === true,
  });
  if (status.role === "leader") {
    const progress = status.peers.find((peer) => peer.memberId === member.id);
    const contactAgeMs = self ? 0 : (progress?.contactAgeMs ?? null);
    if (contactAgeMs !== null) described.lastContactTime = timestamp(Date.now() - contactAgeMs);
    described.matchIndex = BigInt(self ? status.lastIndex : (progress?.matchIndex ?? 0));
  }
  return described;
}

function memberRole(configuration: Configuration, id: MemberId): MemberRole {
  if (configuration.voters.includes(id)) return MemberRole.VOTER;
  if (configuration.outgoingVoters.includes(id)) return MemberRole.LEAVING;
  return MemberRole.LEARNER;
}

function timestamp(unixMs: number): Timestamp {
  const seconds = Math.floor(unixMs / 1000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: Math.floor((unixMs - seconds * 1000) * 1e6) });
}
