import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { backupMaker } from "../../src/cli/backup-maker.ts";
import { grpcLeaderProxy } from "../../src/cli/leader-proxy.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";
import { type Logger, silentLogger } from "../../src/lib/logger.ts";
import { createServerMetrics, type ServerMetrics } from "../../src/server/metrics.ts";
import { RaftKvServer, type RaftKvServerOptions } from "../../src/server/raftkv-server.ts";
import type { ServerLimits } from "../../src/server/server-limits.ts";
import { methodPath } from "../../src/server/service-definition.ts";
import { FakeReplica, otherId, testIdentity } from "./fake-replica.ts";

/** A running server over a fake replica, and a way to call it; all of it ends with the test. */
export interface ServerHarness {
  readonly replica: FakeReplica;
  readonly server: RaftKvServer;
  readonly metrics: ServerMetrics;
  readonly clientAddress: string;
  readonly metricsUrl: string;
  readonly client: Client;
  /** Calls a unary method. Rejects with {@link CallError}. */
  readonly call: <I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    settings?: CallSettings,
  ) => Promise<MessageShape<O>>;
  /** Calls a method with bytes that need not be a message. Rejects with {@link CallError}. */
  readonly callRaw: (method: DescMethod, bytes: Uint8Array) => Promise<Buffer>;
}

/** Settings of one call. */
export interface CallSettings extends CallOptions {
  readonly metadata?: Record<string, string>;
}

/** A call that failed, with its details decoded. */
export class CallError extends Error {
  readonly code: number;
  readonly reason: string | undefined;
  readonly domain: string | undefined;
  readonly facts: Record<string, string>;
  readonly retryDelayMs: number | undefined;

  constructor(error: ServiceError) {
    super(error.details);
    this.code = error.code;
    const bytes = error.metadata?.get("grpc-status-details-bin")[0];
    const details = bytes instanceof Buffer ? fromBinary(StatusSchema, bytes).details : [];
    const info = details.find((any) => anyIs(any, ErrorInfoSchema));
    const retry = details.find((any) => anyIs(any, RetryInfoSchema));
    const errorInfo = info && anyUnpack(info, ErrorInfoSchema);
    const delay = retry && anyUnpack(retry, RetryInfoSchema)?.retryDelay;
    this.reason = errorInfo?.reason;
    this.domain = errorInfo?.domain;
    this.facts = errorInfo?.metadata ?? {};
    this.retryDelayMs = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  }
}

/** The error that a call ends with. Throws when it succeeds. */
export async function failureOf(call: Promise<unknown>): Promise<CallError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
  throw new Error("the call succeeded");
}

/** What a harness may have otherwise. */
export interface HarnessOptions {
  readonly limits?: Partial<ServerLimits>;
  readonly logger?: Logger;
  readonly overrides?: Partial<RaftKvServerOptions>;
}

/** Starts a server on free ports. */
export async function startServer(options: HarnessOptions = {}): Promise<ServerHarness> {
  const replica = new FakeReplica();
  const metrics = createServerMetrics();
  const link = {
    connected: true,
    sentMessages: 3,
    receivedMessages: 4,
    sentBytes: 10,
    receivedBytes: 20,
    sendFailures: 1,
    disconnects: 2,
  };
  const server = new RaftKvServer({
    replica,
    reader: replica,
    leaderProxy: grpcLeaderProxy,
    makeBackup: backupMaker({ ...testIdentity }, { stateBytes: () => 0 }),
    identity: testIdentity,
    electionTimeoutMs: 1000,
    duplicateRequests: () => 0,
    peerLinks: () => new Map([[otherId, link]]),
    clientAddress: "127.0.0.1:0",
    metricsAddress: "127.0.0.1:0",
    logger: options.logger ?? silentLogger,
    metrics,
    limits: options.limits ?? {},
    ...options.overrides,
  });
  const { clientPort, metricsPort } = await server.start();
  const clientAddress = `127.0.0.1:${clientPort}`;
  const client = newClient(clientAddress);
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  return {
    replica,
    server,
    metrics,
    clientAddress,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    client,
    call: async (method, request, settings) => {
      const bytes = toBinary(method.input, create(method.input, request));
      return fromBinary(method.output, await unary(client, method, bytes, settings));
    },
    callRaw: (method, bytes) => unary(client, method, bytes),
  };
}

/** A client that shares no connection with others. */
export function newClient(address: string): Client {
  return new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_send_message_length": -1,
  });
}

function unary(client: Client, method: DescMethod, bytes: Uint8Array, settings: CallSettings = {}): Promise<Buffer> {
  const { metadata, ...callOptions } = settings;
  const sent = new Metadata();
  for (const [key, value] of Object.entries(metadata ?? {})) sent.set(key, value);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<Buffer, Buffer>(
      methodPath(method),
      (request) => request,
      (response) => response,
      Buffer.from(bytes),
      sent,
      callOptions,
      (error, response) => {
        if (error !== null) reject(new CallError(error));
        else resolve(response ?? Buffer.alloc(0));
      },
    );
  });
}
