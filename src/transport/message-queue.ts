import { messageSize } from "./message-encoder.ts";
import type { PeerMessage } from "./peer-transport.ts";

/** Limits of a {@link MessageQueue}. */
export interface MessageQueueLimits {
  readonly queueBytesMax: number;
  readonly queueMessagesMax: number;
  readonly frameBytesTarget: number;
}

/** Messages that wait for one peer, in order. Invariant: never over its limits. */
export class MessageQueue {
  readonly #limits: MessageQueueLimits;
  #messages: PeerMessage[] = [];
  #sizes: number[] = [];
  #head = 0;
  #bytes = 0;

  constructor(limits: MessageQueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#messages.length - this.#head;
  }

  /** Adds messages, all or none: false when that would go over a limit. */
  push(messages: readonly PeerMessage[]): boolean {
    const sizes = messages.map(messageSize);
    const bytes = sizes.reduce((sum, size) => sum + size, this.#bytes);
    if (bytes > this.#limits.queueBytesMax) return false;
    if (this.length + messages.length > this.#limits.queueMessagesMax) return false;
    for (const message of messages) this.#messages.push(message);
    for (const size of sizes) this.#sizes.push(size);
    this.#bytes = bytes;
    return true;
  }

  /** Takes the messages of the next frame: as many as the target size allows, at least one unless empty. */
  takeFrame(): PeerMessage[] {
    let end = this.#head;
    let bytes = 0;
    while (end < this.#messages.length) {
      const size = this.#sizes[end] ?? 0;
      if (end > this.#head && bytes + size > this.#limits.frameBytesTarget) break;
      bytes += size;
      end += 1;
    }
    if (this.#head === 0 && end === this.#messages.length) {
      const all = this.#messages;
      this.clear();
      return all;
    }
    const frame = this.#messages.slice(this.#head, end);
    this.#head = end;
    this.#bytes -= bytes;
    if (this.#head === this.#messages.length) this.clear();
    else if (this.#head * 2 >= this.#messages.length) this.#dropTaken();
    return frame;
  }

  /** Forgets everything; returns how many messages that were. */
  clear(): number {
    const { length } = this;
    this.#messages = [];
    this.#sizes = [];
    this.#head = 0;
    this.#bytes = 0;
    return length;
  }

  /** Frees the part of the arrays that was sent; called when that is half of them, so that it costs little. */
  #dropTaken(): void {
    this.#messages = this.#messages.slice(this.#head);
    this.#sizes = this.#sizes.slice(this.#head);
    this.#head = 0;
  }
}
