import { create } from "@bufbuild/protobuf";
import { type ResponseHeader, ResponseHeaderSchema } from "../gen/raftkv/v1/common_pb.ts";
import type { CallEnvironment } from "./unary-call.ts";

/** Header of an answer that reflects `revision`. */
export function responseHeader(environment: CallEnvironment, revision: bigint): ResponseHeader {
  const { leaderId, term } = environment.replica.leadership();
  return create(ResponseHeaderSchema, {
    clusterId: environment.identity.clusterId,
    memberId: environment.identity.memberId,
    leaderId: leaderId ?? "",
    revision,
    raftTerm: BigInt(term),
  });
}
