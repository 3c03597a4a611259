interface Remembered<Value> {
  readonly row: Uint8Array;
  readonly value: Value;
}

/**
 * Remembers what rows decode to. It saves time and can never be wrong: a remembered value is used only when the row at hand has
 * the very bytes it was decoded from. Values must not be changed once remembered.
 */
export class RowMemo<Value> {
  readonly #remembered = new Map<string, Remembered<Value>>();
  readonly #decode: (row: Uint8Array) => Value;
  readonly #max: number;

  /** At most `max` rows are remembered; one more forgets all. */
  constructor(decode: (row: Uint8Array) => Value, max: number) {
    this.#decode = decode;
    this.#max = max;
  }

  /** What `row`, found under `id`, decodes to. */
  decode(id: string, row: Uint8Array): Value {
    const remembered = this.#remembered.get(id);
    if (remembered !== undefined && sameBytes(remembered.row, row)) return remembered.value;
    const value = this.#decode(row);
    this.remember(id, row, value);
    return value;
  }

  /** Tells what a row just written decodes to. */
  remember(id: string, row: Uint8Array, value: Value): void {
    if (this.#remembered.size >= this.#max && !this.#remembered.has(id)) this.#remembered.clear();
    this.#remembered.set(id, { row, value });
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
