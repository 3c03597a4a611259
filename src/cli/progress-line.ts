import type { CliOutput } from "./cli-io.ts";

const firstMs = 1000;
const intervalMs = 200;

/**
 * Tells on a terminal how far something has come, on one line that is written over; nothing elsewhere, and nothing in the
 * first second. `now` is a clock in milliseconds, by default the process's monotonic one.
 */
export class ProgressLine {
  readonly #out: CliOutput;
  readonly #what: string;
  readonly #now: () => number;
  readonly #beganMs: number;
  #lastMs: number;
  #written = false;

  constructor(out: CliOutput, what: string, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#what = what;
    this.#now = now;
    this.#beganMs = now();
    this.#lastMs = this.#beganMs + firstMs - intervalMs;
  }

  /** Tells `bytes` done, of `total` where that is known. */
  update(bytes: number, total?: number): void {
    const nowMs = this.#now();
    if (this.#out.isTTY !== true || nowMs - this.#lastMs < intervalMs) return;
    this.#lastMs = nowMs;
    const rate = bytes / Math.max(1, nowMs - this.#beganMs) / 1000;
    const part = total ? ` of ${mebibytes(total)} (${Math.min(100, Math.floor((100 * bytes) / total))} %)` : "";
    this.#out.write(`\r\u001b[K${this.#what}: ${mebibytes(bytes)}${part}, ${rate.toFixed(1)} MB/s`);
    this.#written = true;
  }

  /** Ends the line, if there is one. */
  end(): void {
    if (this.#written) this.#out.write("\n");
    this.#written = false;
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
