/** What the trace's hash tells apart. */
const prime = 0x01000193;

/** What happened in a run: a hash of all of it, and the lines themselves when somebody reads them. */
export class Trace {
  #low = 0x811c9dc5;
  #high = 0x9747b28c;
  #events = 0;
  readonly #write: ((line: string) => void) | undefined;
  readonly #nowMs: () => number;

  /** `write` receives the lines; without it none are made. */
  constructor(nowMs: () => number, write?: (line: string) => void) {
    this.#nowMs = nowMs;
    this.#write = write;
  }

  /** Events mixed into the hash. */
  get events(): number {
    return this.#events;
  }

  /** Mixes numbers into the hash. */
  mix(...numbers: readonly number[]): void {
    this.#events++;
    for (const number of numbers) this.#mix(number);
  }

  /** Mixes the moment and a text into the hash, and writes a line for a reader. */
  note(subject: string, text: string | (() => string)): void {
    this.#events++;
    this.#mix(this.#nowMs());
    if (this.#write === undefined) return;
    const at = this.#nowMs().toFixed(3).padStart(11);
    this.#write(`${at} ${subject.padEnd(4)} ${typeof text === "string" ? text : text()}`);
  }

  #mix(number: number): void {
    // Times are no whole numbers: the fraction counts, too.
    const whole = Math.floor(number);
    this.#low = Math.imul(this.#low ^ whole, prime);
    this.#high = Math.imul(this.#high ^ Math.floor((number - whole) * 2 ** 32) ^ (this.#low >>> 7), prime);
  }

  /** 16 hexadecimal digits; equal for equal runs. */
  get hash(): string {
    return (this.#low >>> 0).toString(16).padStart(8, "0") + (this.#high >>> 0).toString(16).padStart(8, "0");
  }
}
