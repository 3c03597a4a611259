// A change's way through this file:
//
//   request -> validate -> at the leader? -- no --> leader proxy -> its answer
//                              | yes
//                              v
//              replica.changeMembership -> members after it, or a refusal
import { randomBytes } from "node:crypto";
import { create, type DescMessage, type DescMethodUnary, type MessageShape } from "@bufbuild/protobuf";
import {
  AddMemberResponseSchema,
  ClusterService,
  type Member,
  PromoteMemberResponseSchema,
  RemoveMemberResponseSchema,
  ReplaceMemberResponseSchema,
  type TransferLeadershipRequest,
  type TransferLeadershipResponse,
  TransferLeadershipResponseSchema,
} from "../gen/raftkv/v1/cluster_service_pb.ts";
import type { ResponseHeader } from "../gen/raftkv/v1/common_pb.ts";
import type { ConfigurationMember, MemberId } from "../raft/configuration.ts";
import type { MembershipEdit } from "../replica/membership-edit.ts";
import { atLeader } from "./at-leader.ts";
import { describeMembers } from "./describe-members.ts";
import type { KvReader } from "./kv-reader.ts";
import type { LeaderProxy } from "./leader-proxy.ts";
import type { ChangeMetricResult, TransferMetricResult } from "./membership-metrics.ts";
import { changeRefusal, changeUnknownRefusal, transferFailedRefusal, transferRefusal } from "./membership-refusals.ts";
import { responseHeader } from "./response-header.ts";
import type { ServiceHandlers } from "./service-definition.ts";
import type { Refusal } from "./status.ts";
import { type CallEnvironment, type UnaryCall, unaryHandler } from "./unary-call.ts";
import { memberReferenceRefusal, newMemberRefusal } from "./validate-member.ts";
import { revisionRefusal } from "./validate-request.ts";

/** What the calls that change the membership need beside what every call needs. */
export interface MembershipServiceOptions {
  readonly reader: KvReader;
  readonly leaderProxy: LeaderProxy;
  /** Told how each change ended that this member was asked for as leader. */
  readonly onChange: (kind: MembershipEdit["type"], result: ChangeMetricResult) => void;
  /** Told how each transfer of leadership ended that this member was asked for as leader. */
  readonly onTransfer: (result: TransferMetricResult) => void;
}

type MembershipMethods = "addMember" | "promoteMember" | "removeMember" | "replaceMember" | "transferLeadership";

/** The handlers of raftkv.v1.ClusterService that only the leader can carry out. */
export function membershipHandlers(
  environment: CallEnvironment,
  options: MembershipServiceOptions,
): Pick<ServiceHandlers<typeof ClusterService>, MembershipMethods> {
  const { addMember, promoteMember, removeMember, replaceMember } = ClusterService.method;
  const context = { environment, options };
  return {
    addMember: unaryHandler(environment, (call) => {
      const member = newMember(call.request);
      change(call, addMember, context, { type: "add", member }, newMemberRefusal(member), (facts) =>
        create(AddMemberResponseSchema, { ...facts, ...named(facts.members, member.id) }),
      );
    }),
    promoteMember: unaryHandler(environment, (call) => {
      const { member } = call.request;
      change(
        call,
        promoteMember,
        context,
        { type: "promote", member },
        memberReferenceRefusal(member, "member"),
        (facts) => create(PromoteMemberResponseSchema, facts),
      );
    }),
    removeMember: unaryHandler(environment, (call) => {
      const { member } = call.request;
      change(
        call,
        removeMember,
        context,
        { type: "remove", member },
        memberReferenceRefusal(member, "member"),
        (facts) => create(RemoveMemberResponseSchema, facts),
      );
    }),
    replaceMember: unaryHandler(environment, (call) => {
      const member = newMember(call.request);
      const old = call.request.oldMember;
      const refusal = memberReferenceRefusal(old, "old_member") ?? newMemberRefusal(member);
      change(call, replaceMember, context, { type: "replace", old, member }, refusal, (facts) =>
        create(ReplaceMemberResponseSchema, { ...facts, ...named(facts.members, member.id) }),
      );
    }),
    transferLeadership: unaryHandler(environment, (call) => transfer(call, context)),
  };
}

interface Context {
  readonly environment: CallEnvironment;
  readonly options: MembershipServiceOptions;
}

/** What every answer to a change tells. */
interface ChangeFacts {
  readonly header: ResponseHeader;
  readonly members: Member[];
  readonly configurationIndex: bigint;
}

type ChangeRequest = { readonly expectedConfigurationIndex?: bigint | undefined };

function change<I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<MessageShape<I> & ChangeRequest, MessageShape<O>>,
  method: DescMethodUnary<I, O>,
  { environment, options }: Context,
  edit: MembershipEdit,
  invalid: Refusal | undefined,
  response: (facts: ChangeFacts) => MessageShape<O>,
): void {
  const expected = call.request.expectedConfigurationIndex;
  const refusal = invalid ?? revisionRefusal(expected, "expected_configuration_index");
  if (refusal !== undefined) {
    call.refuse(refusal);
    return;
  }
  const expectedIndex = expected === undefined ? null : Number(expected);
  atLeader(call, method, environment, options.leaderProxy, () => {
    environment.replica.changeMembership(edit, { deadlineMs: call.deadlineMs, expectedIndex }, (outcome) => {
      options.onChange(edit.type, outcome.type);
      if (outcome.type === "refused") call.refuse(changeRefusal(outcome.reason, edit, environment));
      else if (outcome.type === "unknown") call.refuse(changeUnknownRefusal(edit));
      else {
        call.proceed(() => {
          const header = responseHeader(environment, BigInt(options.reader.revision()));
          const members = describeMembers(outcome.configuration, environment);
          call.answer(response({ header, members, configurationIndex: BigInt(outcome.index) }));
        });
      }
    });
  });
}

function transfer(
  call: UnaryCall<TransferLeadershipRequest, TransferLeadershipResponse>,
  { environment, options }: Context,
): void {
  const { target } = call.request;
  const refusal = target === "" ? undefined : memberReferenceRefusal(target, "target");
  if (refusal !== undefined) {
    call.refuse(refusal);
    return;
  }
  atLeader(call, ClusterService.method.transferLeadership, environment, options.leaderProxy, () => {
    environment.replica.transferLeadership(target === "" ? null : target, call.deadlineMs, (outcome) => {
      options.onTransfer(outcome.type);
      if (outcome.type === "refused") call.refuse(transferRefusal(outcome.reason, target, environment));
      else if (outcome.type === "failed") call.refuse(transferFailedRefusal(target, environment));
      else {
        call.proceed(() => {
          const header = responseHeader(environment, BigInt(options.reader.revision()));
          const ids = { oldLeaderId: outcome.from, newLeaderId: outcome.to };
          call.answer(create(TransferLeadershipResponseSchema, { header, ...ids }));
        });
      }
    });
  });
}

/** The member that a request describes, under an id that nobody had before. */
function newMember(request: {
  readonly name: string;
  readonly peerAddress: string;
  readonly keepLearner: boolean;
}): ConfigurationMember {
  const { name, peerAddress, keepLearner } = request;
  return { id: randomBytes(8).toString("hex"), name, peerAddress, ...(keepLearner && { keepLearner }) };
}

function named(members: readonly Member[], id: MemberId): { readonly member?: Member } {
  const member = members.find(({ memberId }) => memberId === id);
  return member === undefined ? {} : { member };
}
