import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ClusterService, type Member, Member_Role as MemberRole } from "../gen/raftkv/v1/cluster_service_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { callWithFailover, type EndpointRing } from "./call-with-failover.ts";
import { createEndpoint } from "./endpoint.ts";

const methods = ClusterService.method;

/** A member of the configuration. */
export interface ListedMember {
  readonly name: string;
  /** 16 hexadecimal digits. */
  readonly memberId: string;
  readonly role: "voter" | "learner" | "leaving";
  /** Whether it stays a learner until it is promoted by hand; of other roles false. */
  readonly keepLearner: boolean;
  /** Whether it leads, as far as the member that answered knows. */
  readonly leader: boolean;
  readonly peerAddress: string;
  /** Empty while the member that answered has not heard it. */
  readonly clientAddress: string;
}

/** The members at one moment. */
export interface MemberList {
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
  /** Ordered by name. */
  readonly members: readonly ListedMember[];
  /** Log index of the configuration. */
  readonly configurationIndex: number;
}

/** A member to be. */
export interface NewMember {
  readonly name: string;
  /** HOST:PORT at which the other members reach it. */
  readonly peerAddress: string;
  /** Leave it a learner. Default false. */
  readonly keepLearner?: boolean | undefined;
}

/** Under which condition a change is made. */
export interface ChangeCondition {
  /** Only if the configuration is still the one at this log index ({@link MemberList.configurationIndex}). Default: whichever it is. */
  readonly configurationIndex?: number | undefined;
}

/**
 * Changes who takes part in a cluster, through any of its members. Rejects with `ClientError`; what may have been carried out
 * is not tried again, because a second attempt would be answered by what the first one did.
 */
export interface ClusterAdmin {
  /** The members as of now (linearizable). */
  list(): Promise<MemberList>;
  add(member: NewMember, condition?: ChangeCondition): Promise<MemberList>;
  /** `member` is an id or a name; here and below. */
  promote(member: string, condition?: ChangeCondition): Promise<MemberList>;
  remove(member: string, condition?: ChangeCondition): Promise<MemberList>;
  replace(old: string, member: NewMember, condition?: ChangeCondition): Promise<MemberList>;
  /** Hands leadership to `target`, or to the voter that is furthest along; tells the ids of the leaders. */
  transferLeadership(target: string | null): Promise<{ readonly from: string; readonly to: string }>;
  close(): void;
}

/** Makes an admin client; connects at the first call. `timeoutMs` is for each call with all its retries. */
export function createClusterAdmin(endpoints: readonly [string, ...string[]], timeoutMs: number): ClusterAdmin {
  const [first, ...rest] = endpoints;
  const ring: EndpointRing = { endpoints: [createEndpoint(first), ...rest.map(createEndpoint)], preferred: 0 };
  const call = <I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    readOnly: boolean,
  ): Promise<MessageShape<O>> =>
    callWithFailover(ring, method, request, {
      timeoutMs,
      // A change may wait for a slow member; only a question may be put to the next one soon.
      attemptTimeoutMs: readOnly ? Math.min(timeoutMs, 2000) : timeoutMs,
      readOnly,
      repeatable: readOnly,
      now: () => performance.now(),
      sleep: (ms) => sleep(ms),
      random: Math.random,
    });
  return {
    list: async () => toMemberList(await call(methods.listMembers, {}, true)),
    add: async (member, condition) =>
      toMemberList(await call(methods.addMember, { ...toRequest(member), ...expected(condition) }, false)),
    promote: async (member, condition) =>
      toMemberList(await call(methods.promoteMember, { member, ...expected(condition) }, false)),
    remove: async (member, condition) =>
      toMemberList(await call(methods.removeMember, { member, ...expected(condition) }, false)),
    replace: async (oldMember, member, condition) =>
      toMemberList(
        await call(methods.replaceMember, { oldMember, ...toRequest(member), ...expected(condition) }, false),
      ),
    transferLeadership: async (target) => {
      const answer = await call(methods.transferLeadership, { target: target ?? "" }, false);
      return { from: answer.oldLeaderId, to: answer.newLeaderId };
    },
    close: () => {
      for (const endpoint of ring.endpoints) endpoint.close();
    },
  };
}

function toRequest({ name, peerAddress, keepLearner = false }: NewMember) {
  return { name, peerAddress, keepLearner };
}

function expected({ configurationIndex }: ChangeCondition = {}) {
  return configurationIndex === undefined ? {} : { expectedConfigurationIndex: BigInt(configurationIndex) };
}

function toMemberList(response: {
  readonly header?: { readonly clusterId: string } | undefined;
  readonly members: readonly Member[];
  readonly configurationIndex: bigint;
}): MemberList {
  return {
    clusterId: response.header?.clusterId ?? "",
    members: response.members.map(({ name, memberId, role, keepLearner, leader, peerAddress, clientAddress }) => ({
      name,
      memberId,
      role: role === MemberRole.LEARNER ? "learner" : role === MemberRole.LEAVING ? "leaving" : "voter",
      keepLearner: keepLearner && role === MemberRole.LEARNER,
      leader,
      peerAddress,
      clientAddress,
    })),
    configurationIndex: toSafeNumber(response.configurationIndex, "configuration_index"),
  };
}
