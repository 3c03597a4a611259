import { Metadata, type ServerReadableStream, type sendUnaryData } from "@grpc/grpc-js";
import { emptyResponse } from "./deliver-method.ts";
import { type RefusalReason, refusalStatus } from "./refusal.ts";

/** What happens on an incoming stream; nothing after it is over. */
export interface IncomingStreamEvents {
  onFrame(frame: Uint8Array): void;
  /** The stream is gone, whoever ended it; called once. */
  onOver(): void;
}

/** The receiving end of one stream of a peer: ends exactly once, and is silent from then on. */
export class IncomingStream {
  readonly #call: ServerReadableStream<Buffer, Buffer>;
  readonly #respond: sendUnaryData<Buffer>;
  #events: IncomingStreamEvents | undefined;

  constructor(
    call: ServerReadableStream<Buffer, Buffer>,
    respond: sendUnaryData<Buffer>,
    events: IncomingStreamEvents,
  ) {
    this.#call = call;
    this.#respond = respond;
    this.#events = events;
    call.on("data", (frame: Buffer) => this.#events?.onFrame(plainView(frame)));
    call.on("end", () => {
      if (this.#end()) respond(null, emptyResponse);
    });
    call.on("close", () => this.#end());
    call.on("error", () => this.#end());
  }

  /** Where the stream comes from, for logs. */
  get remoteAddress(): string {
    return this.#call.getPeer();
  }

  get isOver(): boolean {
    return this.#events === undefined;
  }

  /** Acknowledges the hello: the sender may go on. */
  accept(): void {
    this.#call.sendMetadata(new Metadata());
  }

  /** Ends the stream with an error that tells people and programs why. */
  refuse(reason: RefusalReason, message: string): void {
    if (this.#end()) this.#respond(refusalStatus(reason, message));
  }

  #end(): boolean {
    const events = this.#events;
    this.#events = undefined;
    events?.onOver();
    return events !== undefined;
  }
}

/** The same bytes as a plain array: views into one are plain arrays, and cheaper than Buffers. */
export function plainView(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
