import { encodeClientId } from "./client-id.ts";
import { decodeCommand } from "./command.ts";
import { sessionKey } from "./row-keys.ts";
import { hasSequence } from "./sequence-runs.ts";
import { decodeSessionRow } from "./session.ts";
import type { StateRows } from "./state-rows.ts";

/**
 * Whether a command may add to the state: it writes a value, and its request is none that the state has applied before. Such a
 * one is answered from its session and adds nothing, however full the state is. Throws what decoding throws.
 */
export function mayGrow(command: Uint8Array, rows: Pick<StateRows, "get">): boolean {
  const { operation, requestId } = decodeCommand(command);
  if (operation.kind === "delete") return false;
  if (requestId === undefined) return true;
  const row = rows.get(sessionKey(encodeClientId(requestId.clientId)));
  if (row === undefined) return true;
  const { firstPendingSequence, answers } = decodeSessionRow(row);
  return requestId.sequence >= firstPendingSequence && !hasSequence(answers, requestId.sequence);
}
