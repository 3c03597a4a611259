import type { RequestId } from "../../src/kv/command.ts";

/** A client's session: names its requests so that retries are applied once. */
export class ClientSession {
  readonly #name: string;
  #generation = 0;
  #nextSequence = 1;
  #firstPending = 1;

  constructor(name: string) {
    this.#name = name;
  }

  get clientId(): string {
    return `${this.#name}-${this.#generation}`;
  }

  /** Begins a request; returns its number. */
  begin(): number {
    return this.#nextSequence++;
  }

  /** The id to send with request `sequence`. */
  idOf(sequence: number): RequestId {
    const { clientId } = this;
    return { clientId, sequence: BigInt(sequence), firstPendingSequence: BigInt(this.#firstPending) };
  }

  /** Request `sequence` will not be asked about again: answered, or given up. */
  end(sequence: number): void {
    this.#firstPending = Math.max(this.#firstPending, sequence + 1);
  }

  /** The service has forgotten the session: the next one is another. */
  renew(): void {
    this.#generation++;
    this.#nextSequence = 1;
    this.#firstPending = 1;
  }
}
