/** Where each member's name goes: position i holds the new place of the i-th member. */
export type Renaming = readonly number[];

/** Fields whose values at one time say nothing about what comes: clocks that are told below as what has passed, and counters. */
const left = new Set(["nowMs", "lastTickMs", "readClockMs", "elections", "readCounts"]);

/** Points in time, and the clock that each is read from. */
const moments: Readonly<Record<string, "nowMs" | "readClockMs">> = {
  leaderContactMs: "nowMs",
  lastContactMs: "nowMs",
  roundBeganMs: "nowMs",
  sinceMs: "readClockMs",
};

/** Lists whose order says nothing: ids are ordered by name, and messages may arrive in any order. */
const unordered = new Set([
  "voters",
  "outgoingVoters",
  "learners",
  "nextLearners",
  "members",
  "deferredMessages",
  "messages",
]);

/**
 * Digests of plain values, two words of 32 bits for each renaming of the members: values that differ only in names have
 * the same digests, in another order. Not for secrets; two of a million values share one with a chance of 10^-7.
 */
export class Fingerprinter {
  readonly #renamings: readonly Renaming[];
  readonly #ignored: ReadonlySet<string>;
  readonly #spanMs: number;
  readonly #keys = new Map<string, number>();
  #renaming: Renaming = [];
  #clocks = { nowMs: 0, readClockMs: 0 };
  #low = 0;
  #high = 0;

  /** `spanMs`: how long ago makes no difference any more. `ignored`: fields that the world at hand never uses. */
  constructor(renamings: readonly Renaming[], spanMs: number, ignored: readonly string[] = []) {
    this.#renamings = renamings;
    this.#spanMs = spanMs;
    this.#ignored = new Set([...left, ...ignored]);
  }

  /** Digests of `value` under every renaming: low and high word, one pair after the other. */
  of(value: unknown, clocks = { nowMs: 0, readClockMs: 0 }): Int32Array {
    const digests = new Int32Array(2 * this.#renamings.length);
    this.#clocks = clocks;
    this.#renamings.forEach((renaming, position) => {
      this.#renaming = renaming;
      this.#begin();
      this.#value(value);
      this.#end();
      digests[2 * position] = this.#low;
      digests[2 * position + 1] = this.#high;
    });
    return digests;
  }

  #begin(): void {
    this.#low = 0x1b873593;
    this.#high = 0x2545f491;
  }

  #word(word: number): void {
    const low = Math.imul(this.#low ^ word, 0x9e3779b1);
    const high = Math.imul(this.#high ^ word, 0x85ebca6b) + 0x27d4eb2f;
    this.#low = low ^ (low >>> 15);
    this.#high = high ^ (high >>> 13);
  }

  #end(): void {
    let low = Math.imul(this.#low ^ (this.#high >>> 11), 0xc2b2ae35);
    low = Math.imul(low ^ (low >>> 16), 0x85ebca6b);
    let high = Math.imul(this.#high ^ low, 0x9e3779b1);
    high = Math.imul(high ^ (high >>> 16), 0xc2b2ae35);
    this.#low = low ^ (low >>> 13);
    this.#high = high ^ (high >>> 16);
  }

  #value(value: unknown): void {
    if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "object" && value !== null) this.#object(value);
    else this.#word(value === true ? 2 : value === false ? 3 : 4);
  }

  #number(value: number): void {
    this.#word(5);
    this.#word(value | 0);
    if (value !== (value | 0)) this.#word(Math.round((value / 2 ** 32) * 1024));
  }

  /** Names of members are single letters, and nothing else is. */
  #text(text: string): void {
    const place = text.length === 1 ? this.#renaming[text.charCodeAt(0) - 97] : undefined;
    if (place !== undefined) {
      this.#word(6);
      this.#word(place);
    } else {
      this.#word(this.#key(text));
    }
  }

  #key(text: string): number {
    let word = this.#keys.get(text);
    if (word === undefined) {
      word = 7;
      for (const letter of text) word = Math.imul(word ^ letter.charCodeAt(0), 0x01000193);
      this.#keys.set(text, word);
    }
    return word;
  }

  #object(value: object): void {
    if (value instanceof Uint8Array) {
      this.#word(value.length);
      for (const byte of value) this.#word(byte);
    } else if (Array.isArray(value)) {
      this.#word(value.length);
      for (const each of value) this.#value(each);
    } else if ("toJSON" in value && typeof value.toJSON === "function") {
      this.#value(value.toJSON());
    } else {
      this.#fields(value);
    }
  }

  #fields(value: object): void {
    const record = value as Readonly<Record<string, unknown>>;
    this.#sum(Object.keys(record), (name) => {
      const field = record[name];
      if (field === undefined || this.#ignored.has(name)) return false;
      this.#text(name);
      const clock = moments[name];
      if (clock !== undefined && typeof field === "number") {
        this.#number(Math.min(this.#clocks[clock] - field, this.#spanMs));
      } else if (unordered.has(name) && Array.isArray(field)) {
        this.#sum(field, (each) => {
          this.#value(each);
          return true;
        });
      } else {
        this.#value(field);
      }
      return true;
    });
  }

  /** Digests each part by itself and adds up, so that their order does not matter. */
  #sum<Part>(parts: readonly Part[], digest: (part: Part) => boolean): void {
    const [low, high] = [this.#low, this.#high];
    let [sumLow, sumHigh] = [0, 0];
    for (const part of parts) {
      this.#begin();
      if (!digest(part)) continue;
      this.#end();
      sumLow = (sumLow + this.#low) | 0;
      sumHigh = (sumHigh + this.#high) | 0;
    }
    [this.#low, this.#high] = [low, high];
    this.#word(sumLow);
    this.#word(sumHigh);
  }
}

/** Every order of `count` members, the given one first. */
export function renamingsOf(count: number): Renaming[] {
  if (count === 0) return [[]];
  return renamingsOf(count - 1)
    .flatMap((shorter) =>
      Array.from({ length: count }, (_, at) => [...shorter.slice(0, at), count - 1, ...shorter.slice(at)]),
    )
    .sort((a, b) => (a.join() < b.join() ? -1 : 1));
}
