import { CommandFailureReason } from "../gen/raftkv/storage/v1/storage_pb.ts";
import type { Delete, Increment, Operation, Put } from "./command.ts";
import { formatInteger, integerMax, integerMin, parseInteger } from "./integer-text.ts";
import { decodePairRow, encodePairRow, type StoredPair, type StoredValue } from "./pair.ts";
import { printableKey } from "./printable-key.ts";
import { failure, type KeyedPair, type OperationResult } from "./result.ts";
import { pairKey } from "./row-keys.ts";
import type { Turn } from "./turn.ts";

/**
 * Does what a command asks for. A change takes the next revision of the store; a condition that does not hold, a failure and
 * the deletion of a missing key change nothing and take none.
 */
export function executeOperation(turn: Turn, operation: Operation): OperationResult {
  const rowKey = pairKey(operation.key);
  const row = turn.rows.get(rowKey);
  const current = row === undefined ? undefined : { key: operation.key, ...decodePairRow(row) };
  switch (operation.kind) {
    case "put":
      return put(turn, rowKey, current, operation);
    case "delete":
      return remove(turn, rowKey, current, operation);
    case "increment":
      return increment(turn, rowKey, current, operation);
  }
}

function put(turn: Turn, rowKey: Uint8Array, current: KeyedPair | undefined, operation: Put): OperationResult {
  if (!conditionHolds(operation, current)) return { kind: "put", applied: false, previous: current };
  write(turn, rowKey, current, operation, operation.value);
  return { kind: "put", applied: true, previous: previousIfWanted(operation, current) };
}

function remove(turn: Turn, rowKey: Uint8Array, current: KeyedPair | undefined, operation: Delete): OperationResult {
  if (!conditionHolds(operation, current)) {
    return { kind: "delete", applied: false, deleted: false, previous: current };
  }
  if (current === undefined) return { kind: "delete", applied: true, deleted: false, previous: undefined };
  const { summary, rows } = turn;
  summary.revision++;
  summary.keys--;
  summary.sizeBytes -= operation.key.length + current.value.data.length;
  rows.delete(rowKey);
  return { kind: "delete", applied: true, deleted: true, previous: previousIfWanted(operation, current) };
}

function increment(
  turn: Turn,
  rowKey: Uint8Array,
  current: KeyedPair | undefined,
  operation: Increment,
): OperationResult {
  if (!conditionHolds(operation, current)) return { kind: "increment", applied: false, value: 0n, previous: current };
  const augend = current === undefined ? 0n : parseInteger(current.value.data);
  if (augend === undefined) {
    return failure(
      CommandFailureReason.NOT_AN_INTEGER,
      `the value of key ${printableKey(operation.key)} is no decimal integer of 64 bits`,
    );
  }
  const sum = augend + operation.delta;
  if (sum < integerMin || sum > integerMax) {
    return failure(
      CommandFailureReason.INTEGER_OVERFLOW,
      `key ${printableKey(operation.key)} holds ${augend}; adding ${operation.delta} makes ${sum}, ` +
        `outside ${integerMin} to ${integerMax}`,
    );
  }
  write(turn, rowKey, current, operation, { data: formatInteger(sum), text: true });
  return { kind: "increment", applied: true, value: sum, previous: previousIfWanted(operation, current) };
}

function conditionHolds(operation: Operation, current: StoredPair | undefined): boolean {
  return operation.ifModRevision === undefined || operation.ifModRevision === (current?.modRevision ?? 0n);
}

function previousIfWanted(operation: Operation, current: KeyedPair | undefined): KeyedPair | undefined {
  return operation.returnPrevious ? current : undefined;
}

function write(
  turn: Turn,
  rowKey: Uint8Array,
  current: StoredPair | undefined,
  operation: Operation,
  value: StoredValue,
): void {
  const { summary, rows } = turn;
  const revision = ++summary.revision;
  const createRevision = current?.createRevision ?? revision;
  const version = (current?.version ?? 0n) + 1n;
  summary.sizeBytes += value.data.length;
  if (current === undefined) {
    summary.keys++;
    summary.sizeBytes += operation.key.length;
  } else {
    summary.sizeBytes -= current.value.data.length;
  }
  rows.put(rowKey, encodePairRow({ value, createRevision, modRevision: revision, version }));
}
