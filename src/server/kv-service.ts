// One write's way through this file:
//
//   request -> validate -> encode once -> replica.propose -> decode result -> response
//                 |                            |                  |
//                 +--------- refusal ----------+------------------+
import { create } from "@bufbuild/protobuf";
import type { CommandResult } from "../gen/raftkv/storage/v1/storage_pb.ts";
import {
  type DeleteRequest,
  type DeleteResponse,
  DeleteResponseSchema,
  type GetRequest,
  type GetResponse,
  GetResponseSchema,
  type IncrementRequest,
  type IncrementResponse,
  IncrementResponseSchema,
  type KvService,
  type PutRequest,
  type PutResponse,
  PutResponseSchema,
} from "../gen/raftkv/v1/kv_service_pb.ts";
import { assert } from "../lib/assert.ts";
import { encodeDelete, encodeIncrement, encodePut } from "./encode-command.ts";
import { decodeResult, keyValue, valueBytes } from "./key-value.ts";
import type { KvReader } from "./kv-reader.ts";
import { whenFresh } from "./read-path.ts";
import { commandFailureRefusal, droppedRefusal, unknownRefusal } from "./refusals.ts";
import { responseHeader } from "./response-header.ts";
import type { ServiceHandlers } from "./service-definition.ts";
import type { Refusal } from "./status.ts";
import { type CallEnvironment, type UnaryCall, unaryHandler } from "./unary-call.ts";
import { keyRefusal, readPolicy, requestIdRefusal, revisionRefusal, valueRefusal } from "./validate-request.ts";

/** An operation of the store, as the metrics name it. */
export type StoreOperation = "put" | "get" | "delete" | "increment";

/** What the key-value service needs beside what every call needs. */
export interface KvServiceOptions {
  readonly reader: KvReader;
  /** Told of every operation that was applied or served; `stale` is true of a read that asked for no more. */
  readonly onOperation: (operation: StoreOperation, stale: boolean) => void;
}

/** Handlers of raftkv.v1.KvService over a replica. */
export function kvService(environment: CallEnvironment, options: KvServiceOptions): ServiceHandlers<typeof KvService> {
  return {
    put: unaryHandler(environment, (call) => put(call, environment, options)),
    get: unaryHandler(environment, (call) => get(call, environment, options)),
    delete: unaryHandler(environment, (call) => remove(call, environment, options)),
    increment: unaryHandler(environment, (call) => increment(call, environment, options)),
  };
}

function put(
  call: UnaryCall<PutRequest, PutResponse>,
  environment: CallEnvironment,
  { onOperation }: KvServiceOptions,
): void {
  const { request } = call;
  const data = valueBytes(request.payload);
  const refusal = writeRefusal(request, environment) ?? valueRefusal(data.length, environment.limits);
  if (refusal !== undefined) {
    call.refuse(refusal);
    return;
  }
  propose(call, environment, encodePut(request, Buffer.from(request.key), data), ({ revision, result }) => {
    assert(result.case === "put", "a put has the result of a put");
    onOperation("put", false);
    const { applied, previous } = result.value;
    const response = create(PutResponseSchema, { header: responseHeader(environment, revision), applied });
    if (previous !== undefined) response.previous = keyValue(previous);
    call.answer(response);
  });
}

function remove(
  call: UnaryCall<DeleteRequest, DeleteResponse>,
  environment: CallEnvironment,
  { onOperation }: KvServiceOptions,
): void {
  const { request } = call;
  const refusal = writeRefusal(request, environment);
  if (refusal !== undefined) {
    call.refuse(refusal);
    return;
  }
  propose(call, environment, encodeDelete(request, Buffer.from(request.key)), ({ revision, result }) => {
    assert(result.case === "delete", "a delete has the result of a delete");
    onOperation("delete", false);
    const { applied, deleted, previous } = result.value;
    const header = responseHeader(environment, revision);
    const response = create(DeleteResponseSchema, { header, applied, deleted: deleted ? 1n : 0n });
    if (previous !== undefined) response.previous.push(keyValue(previous));
    call.answer(response);
  });
}

function increment(
  call: UnaryCall<IncrementRequest, IncrementResponse>,
  environment: CallEnvironment,
  { onOperation }: KvServiceOptions,
): void {
  const { request } = call;
  const refusal = writeRefusal(request, environment);
  if (refusal !== undefined) {
    call.refuse(refusal);
    return;
  }
  propose(call, environment, encodeIncrement(request, Buffer.from(request.key)), ({ revision, result }) => {
    assert(result.case === "increment", "an increment has the result of an increment");
    onOperation("increment", false);
    const { applied, value, previous } = result.value;
    const response = create(IncrementResponseSchema, { header: responseHeader(environment, revision), applied });
    if (applied) response.value = value;
    if (previous !== undefined) response.previous = keyValue(previous);
    call.answer(response);
  });
}

function get(
  call: UnaryCall<GetRequest, GetResponse>,
  environment: CallEnvironment,
  { reader, onOperation }: KvServiceOptions,
): void {
  const { request } = call;
  const policy = keyRefusal(request.key, environment.limits) ?? readPolicy(request.read);
  if ("reason" in policy) {
    call.refuse(policy);
    return;
  }
  whenFresh(call, policy, environment, reader, {
    ofPairs: true,
    read: () => {
      const pair = reader.readPair(Buffer.from(request.key));
      const header = responseHeader(environment, BigInt(reader.revision()));
      const response = create(GetResponseSchema, { header, found: pair !== undefined });
      if (pair !== undefined) response.kv = keyValue(pair);
      return response;
    },
    answer: (response) => {
      onOperation("get", !policy.linearizable);
      call.answer(response);
    },
  });
}

function writeRefusal(
  request: PutRequest | DeleteRequest | IncrementRequest,
  { limits }: CallEnvironment,
): Refusal | undefined {
  return (
    keyRefusal(request.key, limits) ??
    revisionRefusal(request.ifModRevision, "if_mod_revision") ??
    requestIdRefusal(request.requestId, limits)
  );
}

/** Proposes an encoded command and hands its result to `applied`, or refuses the call. */
function propose<Request, Response>(
  call: UnaryCall<Request, Response>,
  environment: CallEnvironment,
  command: Uint8Array,
  applied: (result: CommandResult) => void,
): void {
  environment.replica.propose(command, call, (outcome) => {
    if (outcome.type === "dropped") {
      call.refuse(droppedRefusal(outcome, environment));
    } else if (outcome.type === "unknown") {
      call.refuse(unknownRefusal(outcome));
    } else {
      call.proceed(() => {
        const result = decodeResult(outcome.result);
        if (result.result.case === "failure") call.refuse(commandFailureRefusal(result.result.value));
        else applied(result);
      });
    }
  });
}
