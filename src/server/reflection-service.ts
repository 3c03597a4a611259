import { create } from "@bufbuild/protobuf";
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import {
  ErrorResponseSchema,
  ExtensionNumberResponseSchema,
  FileDescriptorResponseSchema,
  ListServiceResponseSchema,
  type ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
  ServiceResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import type { DescriptorFile, DescriptorIndex } from "./descriptor-index.ts";
import { type Decoded, type ServiceHandlers, Undecodable } from "./service-definition.ts";
import { type Refusal, statusOf } from "./status.ts";

type Question = ServerReflectionRequest["messageRequest"];
type Answer = ServerReflectionResponse["messageResponse"];
type ReflectionStream = ServerDuplexStream<Decoded<ServerReflectionRequest>, ServerReflectionResponse>;

/**
 * The standard reflection service over the descriptors as the compiler wrote them: what decodes and encodes them again on
 * the way loses options and well-known types, and strict clients then resolve nothing. Versions v1 and v1alpha are the same
 * on the wire, so that one set of handlers serves both.
 */
export class ReflectionService {
  readonly handlers: ServiceHandlers<typeof ServerReflection>;
  readonly #index: DescriptorIndex;
  readonly #streams = new Set<ReflectionStream>();
  readonly #streamsMax: number;
  #closed: Refusal | undefined;

  constructor(index: DescriptorIndex, streamsMax: number) {
    this.#index = index;
    this.#streamsMax = streamsMax;
    this.handlers = { serverReflectionInfo: (stream) => this.#serve(stream) };
  }

  /** Ends every stream with `refusal`, also those that come later. */
  close(refusal: Refusal): void {
    this.#closed = refusal;
    for (const stream of this.#streams) stream.emit("error", statusOf(refusal));
    this.#streams.clear();
  }

  #serve(stream: ReflectionStream): void {
    const refusal = this.#closed ?? this.#tooMany();
    if (refusal !== undefined) {
      stream.emit("error", statusOf(refusal));
      return;
    }
    this.#streams.add(stream);
    stream.on("cancelled", () => this.#streams.delete(stream));
    stream.on("error", () => this.#streams.delete(stream));
    stream.on("drain", () => stream.resume());
    stream.on("end", () => {
      this.#streams.delete(stream);
      stream.end();
    });
    stream.on("data", (received: Decoded<ServerReflectionRequest>) => {
      if (received instanceof Undecodable) {
        stream.emit("error", statusOf(received.refusal));
        return;
      }
      const request = received.message;
      const response = create(ServerReflectionResponseSchema, {
        validHost: request.host,
        originalRequest: request,
        messageResponse: answerReflection(this.#index, request.messageRequest),
      });
      if (!stream.write(response)) stream.pause();
    });
  }

  #tooMany(): Refusal | undefined {
    if (this.#streams.size < this.#streamsMax) return undefined;
    const limit = String(this.#streamsMax);
    return {
      reason: "OVERLOADED",
      message: `${this.#streams.size} reflection streams are open; the limit is ${limit}`,
      metadata: { pending: String(this.#streams.size), limit },
    };
  }
}

/** Answers one question; what is not there is an answer too, and the stream goes on. */
function answerReflection(index: DescriptorIndex, question: Question): Answer {
  switch (question.case) {
    case "fileByFilename":
      return filesOrError(index, index.fileByName.get(question.value), `file ${question.value}`);
    case "fileContainingSymbol": {
      const symbol = question.value.replace(/^\./, "");
      return filesOrError(index, index.fileBySymbol.get(symbol), `symbol ${symbol}`);
    }
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const file = index.extensions.get(containingType)?.get(extensionNumber);
      return filesOrError(index, file, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const baseTypeName = question.value;
      const numbers = index.extensions.get(baseTypeName);
      if (numbers === undefined) return errorAnswer(status.NOT_FOUND, `message ${baseTypeName} is not known`);
      const extensionNumber = [...numbers.keys()].sort((a, b) => a - b);
      const value = create(ExtensionNumberResponseSchema, { baseTypeName, extensionNumber });
      return { case: "allExtensionNumbersResponse", value };
    }
    case "listServices": {
      const service = index.services.map((name) => create(ServiceResponseSchema, { name }));
      return { case: "listServicesResponse", value: create(ListServiceResponseSchema, { service }) };
    }
    case undefined:
      return errorAnswer(status.INVALID_ARGUMENT, "the request asks for nothing that this server knows");
  }
}

function filesOrError(index: DescriptorIndex, file: DescriptorFile | undefined, what: string): Answer {
  if (file === undefined) return errorAnswer(status.NOT_FOUND, `${what.slice(0, 500)} is not known`);
  const fileDescriptorProto = withImports(index, file).map((each) => each.bytes);
  const value = create(FileDescriptorResponseSchema, { fileDescriptorProto });
  return { case: "fileDescriptorResponse", value };
}

/** A file first, then all that it imports, so that a client need not ask again. */
function withImports(index: DescriptorIndex, file: DescriptorFile): DescriptorFile[] {
  const files = new Set([file]);
  // A set's iteration also visits what is added on the way.
  for (const each of files) {
    for (const name of each.imports) {
      const imported = index.fileByName.get(name);
      if (imported !== undefined) files.add(imported);
    }
  }
  return [...files];
}

function errorAnswer(errorCode: status, errorMessage: string): Answer {
  return { case: "errorResponse", value: create(ErrorResponseSchema, { errorCode, errorMessage }) };
}
