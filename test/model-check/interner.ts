/** Gives equal things equal numbers, from 0 on. */
export class Interner<Thing> {
  readonly #digestsOf: (thing: Thing) => Int32Array;
  readonly #things: { readonly thing: Thing; readonly digests: Int32Array }[] = [];
  readonly #numbers = new Map<number, number>();

  /** `digestsOf`: its first two words tell things apart. */
  constructor(digestsOf: (thing: Thing) => Int32Array) {
    this.#digestsOf = digestsOf;
  }

  get size(): number {
    return this.#things.length;
  }

  number(thing: Thing): number {
    const digests = this.#digestsOf(thing);
    const key = (digests[0] ?? 0) * 2 ** 21 + ((digests[1] ?? 0) & 0x1fffff);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#things.push({ thing, digests }) - 1;
      this.#numbers.set(key, number);
    }
    return number;
  }

  at(number: number): Thing {
    return this.#slot(number).thing;
  }

  digests(number: number): Int32Array {
    return this.#slot(number).digests;
  }

  #slot(number: number): { readonly thing: Thing; readonly digests: Int32Array } {
    const slot = this.#things[number];
    if (slot === undefined) throw new Error(`nothing has number ${number}`);
    return slot;
  }
}
