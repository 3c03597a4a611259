import { create } from "@bufbuild/protobuf";
import type { ServerWritableStream } from "@grpc/grpc-js";
import {
  type Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health_pb.ts";
import { type Decoded, type ServiceHandlers, Undecodable } from "./service-definition.ts";
import { type Refusal, statusOf } from "./status.ts";

type WatchStream = ServerWritableStream<Decoded<HealthCheckRequest>, HealthCheckResponse>;

/** One watch: what was told last, and whether the stream takes more. */
interface Watch {
  readonly stream: WatchStream;
  readonly service: string;
  told: ServingStatus | undefined;
  /** Cleared while the client does not read; then only the newest status is sent, when it reads again. */
  writable: boolean;
}

/**
 * The standard health service over a fixed set of names. A watch holds one status back at most, however slow its reader.
 */
export class HealthService {
  readonly handlers: ServiceHandlers<typeof Health>;
  readonly #serving = new Map<string, boolean>();
  readonly #watches = new Set<Watch>();
  readonly #watchesMax: number;
  #closed: Refusal | undefined;

  /** Every name begins as NOT_SERVING. */
  constructor(names: readonly string[], watchesMax: number) {
    for (const name of names) this.#serving.set(name, false);
    this.#watchesMax = watchesMax;
    this.handlers = {
      check: (call, callback) => {
        const { request } = call;
        if (request instanceof Undecodable) callback(statusOf(request.refusal), null);
        else if (this.#serving.has(request.message.service)) callback(null, this.#response(request.message.service));
        else callback(statusOf(unknownService(request.message.service)), null);
      },
      list: (_call, callback) => {
        const response = create(HealthListResponseSchema);
        for (const name of this.#serving.keys()) response.statuses[name] = this.#response(name);
        callback(null, response);
      },
      watch: (stream) => this.#watch(stream),
    };
  }

  /** Changes the status of a name and tells it to those who watch it. */
  set(name: string, serving: boolean): void {
    if (this.#serving.get(name) === serving) return;
    this.#serving.set(name, serving);
    for (const watch of this.#watches) if (watch.service === name) this.#tell(watch);
  }

  /** Sets every name to NOT_SERVING, tells that, and ends every watch with `refusal`, also those that come later. */
  close(refusal: Refusal): void {
    for (const name of this.#serving.keys()) this.set(name, false);
    this.#closed = refusal;
    for (const { stream } of this.#watches) endWith(stream, refusal);
    this.#watches.clear();
  }

  /** Watches open at present. */
  get watches(): number {
    return this.#watches.size;
  }

  #watch(stream: WatchStream): void {
    const { request } = stream;
    const refusal = request instanceof Undecodable ? request.refusal : (this.#closed ?? this.#tooMany());
    if (refusal !== undefined || request instanceof Undecodable) {
      if (refusal !== undefined) endWith(stream, refusal);
      return;
    }
    const watch: Watch = { stream, service: request.message.service, told: undefined, writable: true };
    this.#watches.add(watch);
    stream.on("cancelled", () => this.#watches.delete(watch));
    stream.on("error", () => this.#watches.delete(watch));
    stream.on("drain", () => {
      watch.writable = true;
      this.#tell(watch);
    });
    this.#tell(watch);
  }

  #tell(watch: Watch): void {
    const response = this.#response(watch.service);
    if (!watch.writable || response.status === watch.told) return;
    watch.told = response.status;
    watch.writable = watch.stream.write(response);
  }

  #tooMany(): Refusal | undefined {
    if (this.#watches.size < this.#watchesMax) return undefined;
    const limit = String(this.#watchesMax);
    return {
      reason: "OVERLOADED",
      message: `${this.#watches.size} health watches are open; the limit is ${limit}`,
      metadata: { pending: String(this.#watches.size), limit },
    };
  }

  #response(name: string): HealthCheckResponse {
    return create(HealthCheckResponseSchema, { status: servingStatus(this.#serving.get(name)) });
  }
}

function servingStatus(serving: boolean | undefined): ServingStatus {
  if (serving === undefined) return ServingStatus.SERVICE_UNKNOWN;
  return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
}

function unknownService(name: string): Refusal {
  const service = name.slice(0, 200);
  return {
    reason: "SERVICE_UNKNOWN",
    message: `this server has no service named "${service}"`,
    metadata: { service },
  };
}

function endWith(stream: WatchStream, refusal: Refusal): void {
  stream.emit("error", statusOf(refusal));
}
