import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Message } from "../raft/message.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { PeerHello } from "../transport/peer-transport.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { StoreWriter } from "./store-writer.ts";

/** What the registry needs. */
export interface PeerRegistryDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly writer: StoreWriter;
  readonly metrics: ReplicaMetrics;
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

interface Introduction {
  readonly hello: PeerHello;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Who the peers are. A member id is tied for good to the data directory under which it was first met: one that comes back
 * with another directory has lost its log and its votes, and must not be believed under the old id.
 */
export class PeerRegistry {
  readonly #deps: PeerRegistryDependencies;
  readonly #hellos = new Map<MemberId, PeerHello>();
  #introductions: Introduction[] = [];
  /** Member whose directory is being made durable; nobody is believed under its id until it is. */
  #remembering: MemberId | null = null;
  /** Oldest append without an answer, by peer. */
  readonly #appendSentMs = new Map<MemberId, number>();
  #seenLeader: MemberId | null = null;
  #loggedFacts = "";
  readonly #countedElections = { pre_vote: { won: 0, lost: 0 }, vote: { won: 0, lost: 0 } };

  constructor(deps: PeerRegistryDependencies) {
    this.#deps = deps;
  }

  /** What a peer told about itself last. */
  hello(memberId: MemberId): PeerHello | undefined {
    return this.#hellos.get(memberId);
  }

  /** Resolves when the peer's directory is known, durably; rejects with `PEER_REFUSED` when it is another one than before. */
  greet(hello: PeerHello): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#introductions.push({ hello, resolve, reject });
      this.#deps.wake();
    });
  }

  /** Settles the introductions that wait, if the store can be written to now. */
  remember(): void {
    if (this.#introductions.length === 0) return;
    const strangers: Introduction[] = [];
    for (const introduction of this.#introductions) {
      const { memberId } = introduction.hello;
      const known = memberId === this.#remembering ? undefined : this.#deps.store.peerDirectory(memberId);
      if (known === undefined) strangers.push(introduction);
      else this.#settle(introduction, known);
    }
    this.#introductions = strangers;
    const [first] = strangers;
    if (first === undefined || this.#deps.writer.busy) return;
    const { memberId, dataDirectoryId } = first.hello;
    const { writer, store, wake, fail } = this.#deps;
    this.#remembering = memberId;
    writer
      .exclusively(() => store.rememberPeerDirectory(memberId, dataDirectoryId))
      .then(() => {
        this.#remembering = null;
        wake();
      }, fail);
  }

  #settle({ hello, resolve, reject }: Introduction, known: string): void {
    if (known === hello.dataDirectoryId) {
      this.#hellos.set(hello.memberId, hello);
      resolve();
      return;
    }
    const message =
      `member ${hello.name} (${hello.memberId}) was first met with data directory ${known} and now speaks from ` +
      `${hello.dataDirectoryId}: its log and votes are lost, so it must not go on under this member id; raftkv member replace ` +
      `${hello.name} ${hello.name} --peer-address ${hello.peerAddress || "HOST:PORT"} gives it another`;
    reject(new RaftKvError("PEER_REFUSED", message));
  }

  /** Notes appends that leave, to time their answers. */
  noteSent(messages: readonly Message[], nowMs: number): void {
    for (const { type, to } of messages) {
      if (type === "AppendEntriesRequest" && !this.#appendSentMs.has(to)) this.#appendSentMs.set(to, nowMs);
    }
  }

  /** Notes an answer that arrives. */
  noteAnswer({ type, from }: Message, nowMs: number): void {
    if (type !== "AppendEntriesResponse") return;
    const sentMs = this.#appendSentMs.get(from);
    if (sentMs === undefined) return;
    this.#appendSentMs.delete(from);
    this.#deps.metrics.peerRoundTrip(from, (nowMs - sentMs) / 1000);
  }

  /** Tells log and metrics about elections and leaders since the last call. */
  noteElections(logger: Logger): void {
    const { node, metrics } = this.#deps;
    const { role, term, leaderId, elections } = node;
    const facts = `${role} ${term} ${leaderId}`;
    if (facts !== this.#loggedFacts) logger.info({ role, term, leader: leaderId }, "role or leader changed");
    this.#loggedFacts = facts;
    if (leaderId !== null && leaderId !== this.#seenLeader) {
      this.#seenLeader = leaderId;
      metrics.leaderChange();
    }
    const { preVotesStarted, votesStarted, won } = elections;
    // The one under way is counted when it has ended; only a pre-vote that is won leads to a vote.
    this.#countElections("pre_vote", preVotesStarted - (role === "preCandidate" ? 1 : 0), votesStarted);
    this.#countElections("vote", votesStarted - (role === "candidate" ? 1 : 0), won);
  }

  #countElections(kind: "pre_vote" | "vote", ended: number, won: number): void {
    const counted = this.#countedElections[kind];
    for (; counted.won < won; counted.won++) this.#deps.metrics.election(kind, "won");
    for (; counted.lost < ended - won; counted.lost++) this.#deps.metrics.election(kind, "lost");
  }
}
