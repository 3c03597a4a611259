import { readPair, summaryReader } from "../kv/read.ts";
import type { KvReader } from "../server/kv-reader.ts";
import type { ReplicaPort } from "../server/replica-port.ts";

/** Reads pairs and figures of the state machine from the rows that a replica has applied. */
export function kvReader(replica: Pick<ReplicaPort, "stateRow">): KvReader {
  const readRow = (key: Uint8Array) => replica.stateRow(key);
  const summary = summaryReader(readRow);
  return {
    readPair: (key) => readPair(readRow, key),
    revision: () => Number(summary().revision),
    keys: () => summary().keys,
    sizeBytes: () => summary().sizeBytes,
    sessions: () => summary().sessions,
  };
}
