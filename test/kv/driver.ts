import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  CommandFailureReason,
  type CommandResult,
  CommandResultSchema,
  CommandSchema,
} from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import type { KvLimits } from "../../src/kv/kv-limits.ts";
import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import { readPair, readSummary } from "../../src/kv/read.ts";
import type { StateMachine } from "../../src/kv/state-rows.ts";
import { MemoryRows } from "./memory-rows.ts";

const decoder = new TextDecoder();

/** Copied out of the pool of buffers: for a short text that costs a tenth of what a `TextEncoder` does. */
export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
export const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : decoder.decode(bytes);

export type CommandInit = MessageInitShape<typeof CommandSchema>;

/** Request `sequence` of session `clientId`, with nothing given up below `firstPending`. */
export const requestId = (clientId: string, sequence: number, firstPending = 1): NonNullable<CommandInit["id"]> => ({
  clientId,
  sequence: BigInt(sequence),
  firstPendingSequence: BigInt(firstPending),
});

interface Condition {
  readonly if?: number;
  readonly previous?: boolean;
  readonly id?: CommandInit["id"];
}

const shared = (key: string, options: Condition) => ({
  key: utf8(key),
  returnPrevious: options.previous ?? false,
  ...(options.if !== undefined && { ifModRevision: BigInt(options.if) }),
});
const named = (options: Condition) => (options.id === undefined ? {} : { id: options.id });

export const put = (key: string, value: string | Uint8Array, options: Condition = {}): CommandInit => {
  const data = typeof value === "string" ? { data: utf8(value), text: true } : { data: value, text: false };
  return { command: { case: "put", value: { ...shared(key, options), value: data } }, ...named(options) };
};
export const del = (key: string, options: Condition = {}): CommandInit => ({
  command: { case: "delete", value: shared(key, options) },
  ...named(options),
});
export const increment = (key: string, delta: bigint, options: Condition = {}): CommandInit => ({
  command: { case: "increment", value: { ...shared(key, options), delta } },
  ...named(options),
});

export const encodeCommand = (command: CommandInit): Uint8Array =>
  toBinary(CommandSchema, create(CommandSchema, command));

/** One state machine, its rows, and a log that grows by what is applied. */
export class Driver {
  readonly limits: Partial<KvLimits>;
  machine: StateMachine;
  rows: MemoryRows;
  index = 0;
  timeMs = 1_000_000;

  constructor(limits: Partial<KvLimits> = {}) {
    this.limits = limits;
    this.machine = createKvStateMachine(limits);
    this.rows = new MemoryRows(this.machine.indexPrefix);
  }

  /** Applies a command at the present log time, and returns the encoded result. */
  applyBytes(command: CommandInit): Uint8Array {
    return this.machine.apply(encodeCommand(command), { index: ++this.index, timeMs: this.timeMs }, this.rows);
  }

  apply(command: CommandInit): CommandResult {
    return fromBinary(CommandResultSchema, this.applyBytes(command));
  }

  /** Reason of the failure that a command comes to, or what it came to instead. */
  outcome(command: CommandInit): string {
    const { result } = this.apply(command);
    return result.case === "failure" ? (CommandFailureReason[result.value.reason] ?? "?") : `${result.case}`;
  }

  /** Goes on as a member does that installs a snapshot: rows copied, nothing else kept. */
  restore(): void {
    this.machine = createKvStateMachine(this.limits);
    this.rows = new MemoryRows(this.machine.indexPrefix, this.rows.snapshot());
  }

  pair(key: string) {
    return readPair((row) => this.rows.get(row), utf8(key));
  }

  value(key: string): string | undefined {
    return textOf(this.pair(key)?.value?.data);
  }

  summary() {
    return readSummary((row) => this.rows.get(row));
  }
}
