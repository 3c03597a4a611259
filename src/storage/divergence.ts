import { create } from "@bufbuild/protobuf";
import { DivergenceRowSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import type { Index } from "../raft/entry.ts";
import { messageRow, readMessage } from "./message-row.ts";
import { metaKeys } from "./row-keys.ts";
import type { RowChange } from "./storage-engine.ts";

/** How the state of this directory was found to differ from that of the majority, at one index of the log. */
export interface Divergence {
  readonly index: Index;
  /** Of this directory's state, 64 hexadecimal digits. */
  readonly hash: string;
  /** Of the state that a majority of the voters has. */
  readonly majorityHash: string;
}

/** Row that says so, for as long as the directory is there. */
export function divergenceRow({ index, hash, majorityHash }: Divergence): RowChange {
  const message = create(DivergenceRowSchema, { index: BigInt(index), hash, majorityHash });
  return messageRow(metaKeys.divergence, DivergenceRowSchema, message);
}

/** Reverses {@link divergenceRow}. Throws `STATE_CORRUPT`. */
export function readDivergence(value: Uint8Array): Divergence {
  const message = readMessage(metaKeys.divergence, value, DivergenceRowSchema, "divergence row");
  const { hash, majorityHash } = message;
  return { index: toSafeNumber(message.index, "index of the divergence"), hash, majorityHash };
}

/** What is wrong with a directory that has such a row, in words. */
export function describeDivergence({ index, hash, majorityHash }: Divergence): string {
  return `the state was found to differ from that of the majority at index ${index} (its hash was ${hash}, theirs ${majorityHash}); replace the member`;
}
