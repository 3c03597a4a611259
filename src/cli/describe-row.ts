import { decodeCommand } from "../kv/command.ts";
import { decodePairRow } from "../kv/pair.ts";
import { printableKey } from "../kv/printable-key.ts";
import { keyOfPairKey } from "../kv/row-keys.ts";
import type { Entry } from "../raft/entry.ts";
import type { DumpedRow } from "../storage/dump-store.ts";

const shownBytesMax = 64;

/** A row of a store on one line, or as plain values for JSON. Text is cut after 64 bytes; JSON has everything, bytes in base64. */
export function describeRow(row: DumpedRow): { readonly line: string; readonly json: object } {
  if ("damaged" in row) return { line: `${row.space} DAMAGED ${row.damaged}`, json: row };
  switch (row.space) {
    case "meta":
      return { line: `meta ${row.name} ${JSON.stringify(row.content, plain)}`, json: plainOf(row) };
    case "peer":
      return { line: `peer ${row.memberId} directory ${row.dataDirectoryId}`, json: row };
    case "log":
      return describeEntry(row.entry);
    case "state":
      return describeState(row);
  }
}

function describeEntry(entry: Entry): { readonly line: string; readonly json: object } {
  const { index, term, timeMs, kind } = entry;
  const head = `log ${index}@${term} ${kind}`;
  const json = { space: "log", index, term, timeMs, kind };
  if (kind === "noop") return { line: head, json };
  if (kind === "configuration") {
    const { configuration } = entry;
    return { line: `${head} ${JSON.stringify(configuration)}`, json: { ...json, configuration } };
  }
  const time = new Date(timeMs).toISOString();
  try {
    const { operation, requestId } = decodeCommand(entry.command);
    const request = requestId === undefined ? "" : ` request ${requestId.clientId}/${requestId.sequence}`;
    const line = `${head} ${time} ${operation.kind} ${printableKey(operation.key)}${request}`;
    return { line, json: plainOf({ ...json, operation, requestId }) };
  } catch {
    // An embedded state machine's, or a later version's.
    return { line: `${head} ${time} ${bytesText(entry.command)}`, json: plainOf({ ...json, command: entry.command }) };
  }
}

function describeState(row: Extract<DumpedRow, { space: "state"; key: Uint8Array }>) {
  const { generation, key, value } = row;
  const userKey = keyOfPairKey(key);
  if (userKey !== undefined) {
    try {
      const pair = decodePairRow(value);
      const text = pair.value.text
        ? JSON.stringify(Buffer.from(pair.value.data).toString().slice(0, shownBytesMax))
        : bytesText(pair.value.data);
      const line = `state ${generation} pair ${printableKey(userKey)} revision ${pair.modRevision} version ${pair.version} ${text}`;
      return { line, json: plainOf({ space: "state", generation, key: userKey, pair }) };
    } catch {
      // Not this version's: shown as bytes below.
    }
  }
  return { line: `state ${generation} row ${bytesText(key)} ${bytesText(value)}`, json: plainOf(row) };
}

function bytesText(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, shownBytesMax)).toString("hex");
  return bytes.length > shownBytesMax ? `${shown}... (${bytes.length} bytes)` : shown;
}

function plainOf(value: object): object {
  return JSON.parse(JSON.stringify(value, plain)) as object;
}

/** What JSON has no form for: big integers as text, bytes in base64. Looks at the value itself, because a Buffer has a form. */
function plain(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const own = this[key];
  if (typeof own === "bigint") return own.toString();
  return own instanceof Uint8Array ? Buffer.from(own).toString("base64") : value;
}
