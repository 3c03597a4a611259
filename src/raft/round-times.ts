/** When heartbeat rounds left: an answer counts from when its question was asked, not from when it came. */
export class RoundTimes {
  readonly #keptMs: number;
  readonly #apartMs: number;
  /** Both ascending; no more than `keptMs / apartMs` and one. */
  #times: { readonly round: number; readonly sentMs: number }[] = [];

  /** Rounds are forgotten `keptMs` after they left; of those that leave within `apartMs` only the first is noted. */
  constructor(keptMs: number, apartMs: number) {
    this.#keptMs = keptMs;
    this.#apartMs = apartMs;
  }

  /** Notes that `round` leaves now or later. */
  add(round: number, nowMs: number): void {
    const last = this.#times.at(-1);
    if (last !== undefined && nowMs - last.sentMs < this.#apartMs) return;
    this.#times = this.#times.filter(({ sentMs }) => nowMs - sentMs < this.#keptMs);
    this.#times.push({ round, sentMs: nowMs });
  }

  /** A time at or before that at which `round` left; `undefined` when nothing that early is known any more. */
  sentMs(round: number): number | undefined {
    return this.#times.findLast((each) => each.round <= round)?.sentMs;
  }

  /** Answers to the rounds so far count for nothing. */
  clear(): void {
    this.#times = [];
  }

  /** The rounds that are known, oldest first. */
  toJSON(): readonly object[] {
    return this.#times;
  }
}
