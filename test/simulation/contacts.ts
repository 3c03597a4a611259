import type { MemberId } from "../../src/raft/configuration.ts";
import type { PeerMessage } from "../../src/transport/peer-transport.ts";

/** When something was last heard. */
interface Contact {
  atMs: number;
  /** Turns that were asked for by then; what arrived is taken by one of them. */
  turns: number;
}

const leaderMessages: ReadonlySet<string> = new Set<PeerMessage["type"]>([
  "AppendEntriesRequest",
  "HeartbeatRequest",
  "InstallSnapshotRequest",
]);

/**
 * When a process last heard from whom, at the latest. A message waits for a turn, and the process may stand still before
 * that: it counts as heard until the last turn that could be the one has begun.
 */
export class Contacts {
  readonly #peers = new Map<MemberId, Contact>();
  readonly #leader: Contact = { atMs: Number.NEGATIVE_INFINITY, turns: 0 };

  /** Messages have arrived, and `turns` were asked for so far. */
  heard(from: MemberId, messages: readonly PeerMessage[], atMs: number, turns: number): void {
    this.#peers.set(from, { atMs, turns });
    if (!messages.some(({ type }) => leaderMessages.has(type))) return;
    this.#leader.atMs = atMs;
    this.#leader.turns = turns;
  }

  /** Turn number `turn` begins. */
  turn(turn: number, atMs: number): void {
    if (turn <= this.#leader.turns) this.#leader.atMs = atMs;
    for (const contact of this.#peers.values()) if (turn <= contact.turns) contact.atMs = atMs;
  }

  /** When anybody was last heard who claims to lead. */
  get leaderMs(): number {
    return this.#leader.atMs;
  }

  /** When a peer was last heard. */
  peerMs(id: MemberId): number {
    return this.#peers.get(id)?.atMs ?? Number.NEGATIVE_INFINITY;
  }
}
