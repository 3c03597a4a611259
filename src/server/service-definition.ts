import type {
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageShape,
} from "@bufbuild/protobuf";
import { type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  Server,
} from "@grpc/grpc-js";
import { explainMalformed } from "./explain-malformed.ts";
import type { Refusal } from "./status.ts";

/**
 * Stands in for a request whose bytes are no valid message. A deserializer that throws makes grpc-js answer INTERNAL, so
 * ours returns this, and the handler answers INVALID_ARGUMENT.
 */
export class Undecodable {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    this.refusal = refusal;
  }
}

/** A request that was decoded, and what it took on the wire. */
export class Received<T> {
  readonly message: T;
  readonly bytes: number;

  constructor(message: T, bytes: number) {
    this.message = message;
    this.bytes = bytes;
  }
}

/** What a handler receives: the message, or why there is none. */
export type Decoded<T> = Received<T> | Undecodable;

type HandlerOf<Method> =
  Method extends DescMethodUnary<infer I, infer O>
    ? handleUnaryCall<Decoded<MessageShape<I>>, MessageShape<O>>
    : Method extends DescMethodServerStreaming<infer I, infer O>
      ? handleServerStreamingCall<Decoded<MessageShape<I>>, MessageShape<O>>
      : Method extends DescMethodBiDiStreaming<infer I, infer O>
        ? handleBidiStreamingCall<Decoded<MessageShape<I>>, MessageShape<O>>
        : never;

/** A handler for each method of a service, under its name in lower camel case. */
export type ServiceHandlers<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: HandlerOf<Service["method"][Name]>;
};

/** Full path of a method, as HTTP/2 carries it. */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * Bridges a method that protobuf-es describes to grpc-js. Requests over `requestBytesMax` are refused undecoded.
 *
 * `bytes` fields of a decoded request are views into the buffer that the socket filled: copy what outlives the handler.
 */
function methodDefinition(
  method: DescMethod,
  requestBytesMax: number,
): MethodDefinition<Decoded<MessageShape<DescMethod["input"]>>, MessageShape<DescMethod["output"]>> {
  const { input, output } = method;
  const requestStream = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const responseStream = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  return {
    path: methodPath(method),
    requestStream,
    responseStream,
    requestSerialize: (message) =>
      message instanceof Undecodable ? Buffer.alloc(0) : asBuffer(toBinary(input, message.message)),
    requestDeserialize: (bytes) => {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      try {
        return new Received(fromBinary(input, bytes, readOptions), bytes.length);
      } catch (error) {
        return new Undecodable(explainMalformed(input, bytes, error));
      }
    },
    responseSerialize: (message) => asBuffer(toBinary(output, message, writeOptions)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

/**
 * Lets `server` answer every method of `service`, under the name of `alias` where one is given: another service that is the
 * same on the wire. Default: its own name.
 */
export function addService<Service extends DescService>(
  server: Server,
  service: Service,
  handlers: ServiceHandlers<Service>,
  requestBytesMax: number,
  alias: DescService = service,
): void {
  const definitions = service.methods.map((method) => {
    const path = `/${alias.typeName}/${method.name}`;
    return [method.localName, { ...methodDefinition(method, requestBytesMax), path }];
  });
  server.addService(Object.fromEntries(definitions), { ...handlers });
}

// A server has no use for fields that it does not know.
const readOptions = { readUnknownFields: false };
const writeOptions = { writeUnknownFields: false };

function tooLarge(size: number, limit: number): Undecodable {
  return new Undecodable({
    reason: "REQUEST_TOO_LARGE",
    message: `request has ${size} bytes; the limit is ${limit}`,
    metadata: { size: String(size), limit: String(limit) },
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
