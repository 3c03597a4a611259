import type { MemberId } from "../raft/configuration.ts";
import type { Message } from "../raft/message.ts";

/** The messages of a turn by whom they are for, each list in the order sent. */
export function groupByReceiver(messages: readonly Message[]): Map<MemberId, Message[]> {
  const byReceiver = new Map<MemberId, Message[]>();
  for (const message of messages) {
    const list = byReceiver.get(message.to);
    if (list === undefined) byReceiver.set(message.to, [message]);
    else list.push(message);
  }
  return byReceiver;
}
