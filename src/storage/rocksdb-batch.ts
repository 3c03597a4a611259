import { type ColumnName, columnNames, columnOf } from "./rocksdb-columns.ts";
import type { RowChange } from "./storage-engine.ts";

// A batch on its way to the thread that writes it: change after change, each as
//   kind(1) column(1) key length(4) value length(4) key value

const headBytes = 10;
const putKind = 1;
const deleteKind = 2;

/** What a batch is unpacked into. */
export interface BatchTarget {
  put(key: Uint8Array, value: Uint8Array, column: ColumnName): void;
  delete(key: Uint8Array, column: ColumnName): void;
}

/** Packs changes into memory of their own, which may be handed to another thread. */
export function packBatch(changes: readonly RowChange[]): ArrayBuffer {
  let size = 0;
  for (const change of changes) size += headBytes + change.key.length + changedValue(change).length;
  const memory = new ArrayBuffer(size);
  const packed = Buffer.from(memory);
  let at = 0;
  for (const change of changes) {
    const value = changedValue(change);
    packed[at] = change.type === "put" ? putKind : deleteKind;
    packed[at + 1] = columnNames.indexOf(columnOf(change.key));
    packed.writeUInt32LE(change.key.length, at + 2);
    packed.writeUInt32LE(value.length, at + 6);
    packed.set(change.key, at + headBytes);
    packed.set(value, at + headBytes + change.key.length);
    at += headBytes + change.key.length + value.length;
  }
  return memory;
}

/** Reverses {@link packBatch}; keys and values are views. */
export function unpackBatch(memory: ArrayBuffer, target: BatchTarget): void {
  const packed = Buffer.from(memory);
  for (let at = 0; at < packed.length; ) {
    const column = columnNames[packed[at + 1] ?? 0] ?? "log";
    const keyAt = at + headBytes;
    const valueAt = keyAt + packed.readUInt32LE(at + 2);
    const end = valueAt + packed.readUInt32LE(at + 6);
    const key = packed.subarray(keyAt, valueAt);
    if (packed[at] === putKind) target.put(key, packed.subarray(valueAt, end), column);
    else target.delete(key, column);
    at = end;
  }
}

const nothing = new Uint8Array(0);

function changedValue(change: RowChange): Uint8Array {
  return change.type === "put" ? change.value : nothing;
}
