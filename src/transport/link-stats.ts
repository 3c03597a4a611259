import type { PeerLinkStats } from "./peer-transport.ts";

/** Counters of one peer while they are counted; handed out as copies. */
export type LinkCounters = { -readonly [name in keyof PeerLinkStats]: PeerLinkStats[name] };

/** Counters of a link that has done nothing yet. */
export function newLinkCounters(): LinkCounters {
  return {
    connected: false,
    sentBytes: 0,
    receivedBytes: 0,
    sentMessages: 0,
    receivedMessages: 0,
    sendFailures: 0,
    disconnects: 0,
  };
}
