import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from "@grpc/grpc-js";
import type { MethodStats } from "./call-metrics.ts";
import { statusOf } from "./status.ts";

type Listener = Parameters<ServerInterceptingCall["start"]>[0];
type Status = Parameters<ServerInterceptingCall["sendStatus"]>[0];

/** What the interceptor stands on. */
export interface CallInterceptorOptions {
  readonly stats: ReadonlyMap<string, MethodStats>;
  /** A monotonic clock, milliseconds. */
  readonly now: () => number;
  /** How long the body of a call with a single request may take to arrive. */
  readonly receiveTimeoutMs: number;
}

/**
 * Stands outermost around every call, also those that never reach a handler: counts them, and ends those whose body does
 * not arrive. grpc-js itself waits for a half-sent body as long as the connection lives.
 */
export class CallInterceptor {
  readonly #options: CallInterceptorOptions;
  /** Calls whose request is not complete, oldest first. */
  readonly #receiving = new Set<InterceptedCall>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: CallInterceptorOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.#endOverdue(), Math.max(10, options.receiveTimeoutMs / 10)).unref();
  }

  /** For the server's list of interceptors. */
  readonly intercept: ServerInterceptor = (method, next) => {
    const stats = this.#options.stats.get(method.path);
    if (stats === undefined) return new ServerInterceptingCall(next);
    return new InterceptedCall(next, stats, this.#options.now, this.#receiving);
  };

  /** Stops looking after overdue calls. */
  close(): void {
    clearInterval(this.#sweep);
  }

  #endOverdue(): void {
    const { now, receiveTimeoutMs } = this.#options;
    const startedBefore = now() - receiveTimeoutMs;
    for (const call of this.#receiving) {
      if (call.startedMs > startedBefore) return;
      this.#receiving.delete(call);
      call.sendStatus(
        statusOf({
          reason: "DEADLINE_EXCEEDED",
          message: `the request did not arrive in full within ${receiveTimeoutMs} ms; not applied`,
          metadata: { limit_ms: String(receiveTimeoutMs) },
        }),
      );
    }
  }
}

/**
 * Call and listener in one object that passes everything on: the base class would make ten closures a call for the same.
 */
class InterceptedCall extends ServerInterceptingCall {
  readonly startedMs: number;
  readonly #next: ServerInterceptingCallInterface;
  readonly #stats: MethodStats;
  readonly #now: () => number;
  readonly #receiving: Set<InterceptedCall>;
  #listener: Listener | undefined;
  #finished = false;

  constructor(
    next: ServerInterceptingCallInterface,
    stats: MethodStats,
    now: () => number,
    receiving: Set<InterceptedCall>,
  ) {
    super(next);
    this.#next = next;
    this.#stats = stats;
    this.#now = now;
    this.#receiving = receiving;
    this.startedMs = now();
    stats.started++;
    if (stats.singleRequest) receiving.add(this);
  }

  override start(listener: Listener): void {
    this.#listener = listener;
    this.#next.start(this);
  }

  override sendMetadata(metadata: Metadata): void {
    this.#next.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#stats.sent++;
    this.#next.sendMessage(message, callback);
  }

  override sendStatus(sent: Status): void {
    this.#finish(sent.code ?? status.UNKNOWN);
    this.#next.sendStatus(sent);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#listener?.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    this.#stats.received++;
    this.#listener?.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    this.#receiving.delete(this);
    // grpc-js takes the reset of a stream for the end of its request and would run the handler of a call that nobody waits
    // for. Asking for another read makes it look at the stream; it then tells of the cancellation before our next tick.
    this.#next.startRead();
    process.nextTick(passHalfClose, this);
  }

  passHalfClose(): void {
    if (!this.#finished) this.#listener?.onReceiveHalfClose();
  }

  onCancel(): void {
    // Also called after every regular end. Without one, grpc-js ended the call: at its deadline, or because the client left.
    const overdue = Number(this.#next.getDeadline()) <= Date.now();
    this.#finish(overdue ? status.DEADLINE_EXCEEDED : status.CANCELLED);
    this.#listener?.onCancel();
  }

  #finish(code: status): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#receiving.delete(this);
    this.#stats.handled[code] = (this.#stats.handled[code] ?? 0) + 1;
    this.#stats.observeSeconds((this.#now() - this.startedMs) / 1000);
  }
}

function passHalfClose(call: InterceptedCall): void {
  call.passHalfClose();
}
