import { type Client, type ClientWritableStream, type ServiceError, status } from "@grpc/grpc-js";
import { bufferOver, deliverMethod } from "./deliver-method.ts";
import { encodeHello, type WireHello } from "./message-encoder.ts";
import { openClient } from "./open-client.ts";
import type { LinkSettings } from "./peer-link.ts";
import { refusalReasonKey } from "./refusal.ts";

/** Why a stream ended. */
export interface StreamFailure {
  /** Set when the receiver ended it and told why; undefined for everything that happens on the way. */
  readonly refusalReason: string | undefined;
  /** For people. */
  readonly message: string;
}

/** What a stream tells its link; never from inside the constructor or `write`. */
export interface OutgoingStreamEvents {
  /** The receiver acknowledged the hello; messages may follow. */
  onAccepted(): void;
  /** Something that was written has left. */
  onWritten(): void;
  /** The stream is gone; called once, unless it was abandoned. */
  onBroken(failure: StreamFailure): void;
}

/**
 * One attempt at a stream to one peer, on a connection of its own:
 *
 *   resolve, connect -> hello -> response headers (accepted) -> frames ... -> status (broken)
 *
 * A new attempt is a new channel, so the name is resolved again each time and the waits between attempts are ours.
 */
export class OutgoingStream {
  readonly #client: Client;
  readonly #call: ClientWritableStream<Buffer>;
  readonly #events: OutgoingStreamEvents;
  readonly #handshakeTimer: NodeJS.Timeout;
  #over = false;
  #unwrittenBytes = 0;
  #onOver: (() => void) | undefined;

  constructor(address: string, hello: WireHello, settings: LinkSettings, events: OutgoingStreamEvents) {
    const { limits } = settings;
    this.#events = events;
    this.#client = openClient(address, settings);
    this.#call = this.#client.makeClientStreamRequest(
      deliverMethod.path,
      deliverMethod.requestSerialize,
      deliverMethod.responseDeserialize,
      (error) => this.#break(failureOf(error)),
    );
    this.#handshakeTimer = setTimeout(() => {
      this.#break({ refusalReason: undefined, message: `not accepted within ${limits.handshakeTimeoutMs} ms` });
    }, limits.handshakeTimeoutMs);
    this.#call.on("metadata", () => {
      clearTimeout(this.#handshakeTimer);
      if (!this.#over) events.onAccepted();
    });
    // Every failure comes through the callback above; the stream's own event only must not go unheard.
    this.#call.on("error", () => {});
    this.#call.write(bufferOver(encodeHello(hello)));
  }

  /** Bytes that were written and have not been taken by the connection yet. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  write(frame: Uint8Array): void {
    if (this.#over) return;
    this.#unwrittenBytes += frame.length;
    this.#call.write(bufferOver(frame), () => {
      this.#unwrittenBytes -= frame.length;
      if (!this.#over) this.#events.onWritten();
    });
  }

  /** Ends the stream and waits for the receiver to confirm, at most `graceMs`; then the connection is gone. */
  async finish(graceMs: number): Promise<void> {
    if (this.#over) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onOver = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#call.end();
    });
    this.abandon();
  }

  /** Drops the stream and its connection without a word to the link. */
  abandon(): void {
    clearTimeout(this.#handshakeTimer);
    this.#over = true;
    this.#call.cancel();
    this.#client.close();
  }

  #break(failure: StreamFailure): void {
    if (this.#over) return;
    this.abandon();
    if (this.#onOver === undefined) this.#events.onBroken(failure);
    else this.#onOver();
  }
}

/** What a call of grpc-js that failed comes to. */
export function failureOf(error: ServiceError | null): StreamFailure {
  if (error === null) return { refusalReason: undefined, message: "the receiver ended the stream" };
  const reason = error.metadata.get(refusalReasonKey)[0];
  return {
    refusalReason: typeof reason === "string" ? reason : undefined,
    message: `${status[error.code]}: ${error.details}`,
  };
}
