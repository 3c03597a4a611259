import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";

/** One method of a {@link startFakeMember}: what it answers, or a {@link refusal} that it throws. */
export interface FakeMethod {
  readonly path: string;
  readonly handle: (bytes: Buffer) => Promise<Buffer>;
}

/** Answers a method with what `handler` returns. */
export function on<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handler: (request: MessageShape<I>) => MessageInitShape<O> | Promise<MessageInitShape<O>>,
): FakeMethod {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    handle: async (bytes) => {
      const response = create(method.output, await handler(fromBinary(method.input, bytes)));
      return Buffer.from(toBinary(method.output, response));
    },
  };
}

/** A gRPC error, with the details that the service attaches when a reason is given. */
export function refusal(code: keyof typeof status, reason?: string, retryDelayMs = 0): Error {
  const metadata = new Metadata();
  if (reason !== undefined) {
    const info = create(ErrorInfoSchema, { reason, domain: "raftkv.v1", metadata: { limit: "7" } });
    const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(retryDelayMs) });
    const details = [anyPack(ErrorInfoSchema, info), anyPack(RetryInfoSchema, retry)];
    const encoded = toBinary(StatusSchema, create(StatusSchema, { code: status[code], details }));
    metadata.set("grpc-status-details-bin", Buffer.from(encoded));
  }
  return Object.assign(new Error(), { code: status[code], details: `refused with ${code}`, metadata });
}

const identity = (bytes: Buffer) => bytes;

/** Serves a few methods on a free port of the loopback interface. */
export async function startFakeMember(methods: readonly FakeMethod[], address = "127.0.0.1:0") {
  const server = new Server();
  for (const { path, handle } of methods) {
    const answer = async (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      try {
        callback(null, await handle(call.request));
      } catch (error) {
        callback(error as ServiceError);
      }
    };
    const handler: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      void answer(call, callback);
    };
    server.register(path, handler, identity, identity, "unary");
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

/** An address of the loopback interface on which nobody listens. */
export async function deadAddress(): Promise<string> {
  const member = await startFakeMember([]);
  member.stop();
  return member.address;
}
