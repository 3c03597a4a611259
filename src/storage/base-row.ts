import { create } from "@bufbuild/protobuf";
import {
  type LogBase as LogBaseMessage,
  LogBaseRowSchema,
  LogBaseSchema,
} from "../gen/raftkv/storage/v1/storage_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import type { LogBase } from "../raft/log-base.ts";
import { configurationFromMessage, configurationToMessage } from "./configuration-codec.ts";
import type { LogTail } from "./log-record.ts";
import { messageRow, readMessage, undecodable } from "./message-row.ts";
import { metaKeys } from "./row-keys.ts";
import type { RowChange } from "./storage-engine.ts";

/** What stands before the first record of a log, and under which generation the state rows stand. */
export interface StoredBase extends LogBase, LogTail {
  readonly generation: number;
}

/** Row of the log's base. */
export function baseRow(stored: StoredBase): RowChange {
  const { checksum, generation: stateGeneration } = stored;
  const message = create(LogBaseRowSchema, { base: logBaseToMessage(stored), checksum, stateGeneration });
  return messageRow(metaKeys.base, LogBaseRowSchema, message);
}

/** Reverses {@link baseRow}. Throws `STATE_CORRUPT`. */
export function readBase(value: Uint8Array): StoredBase {
  const { base, checksum, stateGeneration } = readMessage(metaKeys.base, value, LogBaseRowSchema, "base row");
  return { ...logBaseFromMessage(base, "base row"), checksum, generation: stateGeneration };
}

/** A place in the log as rows embed it. */
export function logBaseToMessage({ index, term, configuration }: LogBase): LogBaseMessage {
  return create(LogBaseSchema, {
    index: BigInt(index),
    term: BigInt(term),
    configurationIndex: BigInt(configuration.index),
    configuration: configurationToMessage(configuration.configuration),
  });
}

/** Reverses {@link logBaseToMessage}; `what` names the row. Throws `STATE_CORRUPT`. */
export function logBaseFromMessage(message: LogBaseMessage | undefined, what: string): LogBase {
  if (message?.configuration === undefined) throw undecodable(what);
  const index = toSafeNumber(message.index, `index in the ${what}`);
  const configurationIndex = toSafeNumber(message.configurationIndex, `configuration's index in the ${what}`);
  if (configurationIndex > index) throw undecodable(what);
  return {
    index,
    term: toSafeNumber(message.term, `term in the ${what}`),
    configuration: { index: configurationIndex, configuration: configurationFromMessage(message.configuration) },
  };
}
