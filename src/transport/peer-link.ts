import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Logger } from "../lib/logger.ts";
import type { ConfigurationMember } from "../raft/configuration.ts";
import { helloTo } from "./introduce-peer.ts";
import type { LinkCounters } from "./link-stats.ts";
import { encodeMessages } from "./message-encoder.ts";
import { MessageQueue } from "./message-queue.ts";
import { OutgoingStream, type StreamFailure } from "./outgoing-stream.ts";
import type { PeerMessage } from "./peer-transport.ts";
import { protocolVersion, type TransportIdentity, type TransportLimits } from "./transport-options.ts";

/** What every link of a transport shares. */
export interface LinkSettings {
  readonly identity: TransportIdentity;
  readonly limits: TransportLimits;
  readonly channelCredentials: ChannelCredentials;
  readonly logger: Logger;
  /** From 0 to 1. */
  readonly random: () => number;
  /** See {@link PeerTransportHandlers.onUnreachable}; never called from inside a method of the link. */
  readonly onUnreachable: (peer: string) => void;
}

/**
 * The way to one peer, kept open for as long as the peer is one:
 *
 *   connecting --accepted--> connected --broken--> waiting --timer or a hello of the peer--> connecting
 *        \------------------failed----------------->/
 *
 * While connecting, messages queue; while waiting they are dropped. Every loss is reported.
 */
export class PeerLink {
  readonly peer: ConfigurationMember;
  readonly #settings: LinkSettings;
  readonly #counters: LinkCounters;
  readonly #queue: MessageQueue;
  #state: "connecting" | "connected" | "waiting" | "closed" = "waiting";
  #stream: OutgoingStream | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #acceptedAtMs = 0;
  #flushScheduled = false;
  /** What was last logged about the link, so that a state is logged when it begins and not at every retry. */
  #loggedState = "";

  constructor(peer: ConfigurationMember, counters: LinkCounters, settings: LinkSettings) {
    this.peer = peer;
    this.#settings = settings;
    this.#counters = counters;
    this.#queue = new MessageQueue(settings.limits);
  }

  /** Connects now, if the link waits to do so: at the start, and when the peer shows that it is there. */
  connect(): void {
    if (this.#state !== "waiting") return;
    clearTimeout(this.#retryTimer);
    this.#state = "connecting";
    const { identity, limits } = this.#settings;
    const hello = helloTo(this.peer.id, identity, protocolVersion);
    this.#stream = new OutgoingStream(this.peer.peerAddress, hello, this.#settings, {
      onAccepted: () => this.#accepted(),
      onWritten: () => {
        if (this.#queue.length > 0) this.#flush();
      },
      onBroken: (failure) => this.#broken(failure, limits),
    });
  }

  /** See {@link PeerTransport.send}. Everything sent within a turn leaves as one frame. */
  send(messages: readonly PeerMessage[]): void {
    if (this.#state === "closed" || messages.length === 0) return;
    if (this.#state === "waiting") {
      this.#counters.sendFailures += messages.length;
      this.#report();
      return;
    }
    if (!this.#queue.push(messages)) {
      this.#settings.logger.warn(
        { peer: this.peer.id, messages: this.#queue.length },
        "queue of a peer is full, dropped",
      );
      this.#counters.sendFailures += this.#queue.clear() + messages.length;
      this.#report();
      return;
    }
    if (this.#state === "connected") this.#scheduleFlush();
  }

  /** Sends what the connection takes at once, then ends the stream. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    if (this.#state === "connected") this.#flush();
    const graceMs = this.#state === "connected" ? this.#settings.limits.closeGraceMs : 0;
    this.#state = "closed";
    this.#counters.connected = false;
    this.#counters.sendFailures += this.#queue.clear();
    clearTimeout(this.#retryTimer);
    if (graceMs > 0) await this.#stream?.finish(graceMs);
    else this.#stream?.abandon();
  }

  #accepted(): void {
    this.#state = "connected";
    this.#acceptedAtMs = performance.now();
    this.#counters.connected = true;
    this.#loggedState = "";
    this.#settings.logger.info({ peer: this.peer.id, address: this.peer.peerAddress }, "connected to peer");
    if (this.#queue.length > 0) this.#flush();
  }

  #broken(failure: StreamFailure, limits: TransportLimits): void {
    const lost = this.#queue.clear();
    this.#counters.sendFailures += lost;
    if (this.#state === "connected") {
      this.#counters.disconnects += 1;
      // A stream that ends as soon as it is accepted is no recovery: the waits go on growing.
      if (performance.now() - this.#acceptedAtMs >= limits.reconnectMaxMs) this.#failures = 0;
      this.#report();
    } else if (lost > 0) this.#report();
    this.#counters.connected = false;
    this.#state = "waiting";
    this.#stream = undefined;
    this.#logFailure(failure);
    this.#retryTimer = setTimeout(() => this.connect(), this.#nextWaitMs(limits));
  }

  #nextWaitMs({ reconnectMinMs, reconnectMaxMs }: TransportLimits): number {
    const waitMs = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return waitMs * (0.5 + this.#settings.random() / 2);
  }

  #logFailure({ refusalReason, message }: StreamFailure): void {
    const state = refusalReason === undefined ? "unreachable" : message;
    if (state === this.#loggedState) return;
    this.#loggedState = state;
    const facts = { peer: this.peer.id, address: this.peer.peerAddress, reason: refusalReason, error: message };
    if (refusalReason === undefined) this.#settings.logger.info(facts, "peer cannot be reached");
    else this.#settings.logger.warn(facts, "peer refuses this member");
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      if (this.#state === "connected") this.#flush();
    });
  }

  /** Writes frames until the connection has enough; what waits meanwhile leaves together. */
  #flush(): void {
    const stream = this.#stream;
    const { frameBytesMax, unwrittenBytesMax } = this.#settings.limits;
    while (stream !== undefined && this.#queue.length > 0 && stream.unwrittenBytes < unwrittenBytesMax) {
      const messages = this.#queue.takeFrame();
      const frame = encodeMessages(messages);
      if (frame.length > frameBytesMax) {
        this.#dropOversized(messages, frame.length);
        continue;
      }
      this.#counters.sentBytes += frame.length;
      this.#counters.sentMessages += messages.length;
      stream.write(frame);
    }
  }

  #dropOversized(messages: readonly PeerMessage[], frameBytes: number): void {
    const facts = { peer: this.peer.id, frameBytes, frameBytesMax: this.#settings.limits.frameBytesMax };
    this.#settings.logger.error(facts, "message is larger than a frame may be, dropped");
    this.#counters.sendFailures += messages.length;
    this.#report();
  }

  /** In a turn of its own: `send` is called by the very code that the report is for. */
  #report(): void {
    queueMicrotask(() => {
      if (this.#state !== "closed") this.#settings.onUnreachable(this.peer.id);
    });
  }
}
