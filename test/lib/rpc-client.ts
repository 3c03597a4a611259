import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type status } from "@grpc/grpc-js";

/** What came of a call: an answer, or a gRPC status other than OK. */
export type CallResult<T> =
  | { readonly ok: true; readonly response: T }
  | {
      readonly ok: false;
      readonly code: status;
      readonly message: string;
      /** Whether the member itself gave the status, with details; otherwise this side did, and the outcome is open. */
      readonly fromMember: boolean;
    };

/** A gRPC client of one member, written apart from the product's own so that the two cannot share a fault. */
export interface RpcClient {
  readonly address: string;
  /** Calls a unary method. Never rejects: failures are results. `timeoutMs` is 5 000 by default. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs?: number,
  ): Promise<CallResult<MessageShape<O>>>;
  close(): void;
}

/** Connects to one member and to no other; reconnects within 100 ms, so that a restarted member is found at once. */
export function createRpcClient(address: string): RpcClient {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 100,
    "grpc.use_local_subchannel_pool": 1,
  });
  return {
    address,
    call: (method, request, timeoutMs = 5_000) => callUnary(client, method, request, timeoutMs),
    close: () => client.close(),
  };
}

function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  timeoutMs: number,
): Promise<CallResult<MessageShape<O>>> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      new Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        if (response !== undefined) resolve({ ok: true, response });
        else if (error !== null) {
          const fromMember = error.metadata.get("grpc-status-details-bin").length > 0;
          resolve({ ok: false, code: error.code, message: error.details, fromMember });
        }
      },
    );
  });
}

/** The answer of a call that has to succeed; throws with the status otherwise. */
export function answerOf<T>(result: CallResult<T>): T {
  if (!result.ok) throw new Error(`call failed with status ${result.code}: ${result.message}`);
  return result.response;
}
