import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, connectivityState, credentials, Metadata } from "@grpc/grpc-js";
import { fromServiceError, localFailure } from "./call-failure.ts";
import type { CallFailure } from "./client-error.ts";

/** Longest answer accepted, bytes: more than the longest value that a service can be configured for. */
const receiveBytesMax = 64 * 1024 * 1024;

/** How long one attempt to connect may take, milliseconds; a host that drops packets must not eat the whole deadline. */
const connectMsMax = 1000;

/** How one call ended. */
export type CallResult<T> =
  | { readonly ok: true; readonly response: T }
  | { readonly ok: false; readonly failure: CallFailure };

/** A member's client address with one connection, opened at the first call and again when it broke. */
export interface Endpoint {
  /** HOST:PORT. */
  readonly address: string;
  /** Calls once, within `timeoutMs`; never throws. `noForward`, false by default, tells the member not to pass the call on. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs: number,
    noForward?: boolean,
  ): Promise<CallResult<MessageShape<O>>>;
  close(): void;
}

/** Makes an endpoint; connects to nothing yet. */
export function createEndpoint(address: string): Endpoint {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": receiveBytesMax,
    "grpc.max_send_message_length": -1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_retries": 0,
  });
  return {
    address,
    call: async (method, request, timeoutMs, noForward = false) => {
      const deadline = new Date(Date.now() + timeoutMs);
      const connectDeadline = new Date(Date.now() + Math.min(timeoutMs, connectMsMax));
      if (await isConnected(client, connectDeadline)) {
        const metadata = new Metadata();
        if (noForward) metadata.set("raftkv-no-forward", "1");
        return callUnary(client, address, method, request, { deadline, metadata });
      }
      return { ok: false, failure: localFailure("UNAVAILABLE", `${address}: cannot connect`, false) };
    },
    close: () => client.close(),
  };
}

/** Waits for a connection, so that a request which could not be sent is told apart from one which may have arrived. */
async function isConnected(client: Client, deadline: Date): Promise<boolean> {
  const channel = client.getChannel();
  for (;;) {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return true;
    if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) return false;
    const changed = await new Promise<boolean>((resolve) => {
      channel.watchConnectivityState(state, deadline, (error) => resolve(error === undefined));
    });
    if (!changed) return false;
  }
}

function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  address: string,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  { deadline, metadata }: { readonly deadline: Date; readonly metadata: Metadata },
): Promise<CallResult<MessageShape<O>>> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      metadata,
      { deadline },
      (error, response) => {
        if (error) resolve({ ok: false, failure: fromServiceError(error, address) });
        else if (response) resolve({ ok: true, response });
        else resolve({ ok: false, failure: localFailure("INTERNAL", `${address}: an empty answer`, true) });
      },
    );
  });
}
