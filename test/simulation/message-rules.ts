import type { MemberId } from "../../src/raft/configuration.ts";
import type { Entry, LogPosition, Term } from "../../src/raft/entry.ts";
import type { AppendEntriesRequest, Message } from "../../src/raft/message.ts";
import type { PeerMessage } from "../../src/transport/peer-transport.ts";
import { check } from "./broken-rule.ts";
import type { Coverage } from "./coverage.ts";
import { hashBytes } from "./hash-bytes.ts";
import type { SimDisk } from "./sim-disk.ts";

/** Rules about what members tell each other, looked at when it leaves a process. What a crash kept from leaving never counted. */
export class MessageRules {
  readonly #coverage: Coverage;
  readonly #electionTimeoutMs: number;
  readonly #votes = new Map<string, MemberId>();
  /** Candidates of each term, and where their logs ended. */
  readonly #candidates = new Map<Term, Map<MemberId, LogPosition>>();
  /** Who was asked to campaign at once, and in which term. */
  readonly #asked = new Set<string>();
  /** Terms of which a leader was heard. */
  readonly #ledTerms = new Set<Term>();
  readonly #releasedTerms = new Map<MemberId, Term>();
  readonly #entries = new Map<string, { readonly contentHash: number; prevTerm: Term | undefined }>();
  readonly #seenEntries = new WeakSet<Entry>();

  constructor(coverage: Coverage, electionTimeoutMs: number) {
    this.#coverage = coverage;
    this.#electionTimeoutMs = electionTimeoutMs;
  }

  /** A process begins; its disk must not have forgotten what others were told. */
  starts(id: MemberId, disk: SimDisk): void {
    const released = this.#releasedTerms.get(id) ?? 0;
    check(disk.hardState.term >= released, "term is kept", () => `${id} forgot term ${released}`);
  }

  /** A message leaves. */
  released(id: MemberId, disk: SimDisk, message: PeerMessage): void {
    if (message.type === "ForwardRequest") this.#coverage.saw("forwarded");
    if (message.type === "ForwardRequest" || message.type === "ForwardResponse") return;
    if (message.type === "StateHashReport") return;
    this.#checkTerm(id, disk, message);
    if (message.type === "TimeoutNowRequest") {
      this.#asked.add(`${message.term}/${message.to}`);
      if (disk.oldestWriteAgeMs >= this.#electionTimeoutMs) this.#coverage.saw("handedOverBehindStalledDisk");
    } else if (message.type === "RequestVoteRequest" && !message.preVote) {
      check(
        !message.leadershipTransfer || this.#asked.has(`${message.term - 1}/${id}`),
        "nobody takes over unasked",
        () => `${id} campaigns in term ${message.term} past everybody's leader`,
      );
      this.#checkVote(id, disk, message.term, id);
      const candidates = this.#candidates.get(message.term) ?? new Map<MemberId, LogPosition>();
      candidates.set(id, { index: message.lastLogIndex, term: message.lastLogTerm });
      this.#candidates.set(message.term, candidates);
      if (candidates.size === 2) this.#coverage.saw("twoCandidates");
    } else if (message.type === "RequestVoteResponse" && message.granted && !message.preVote) {
      this.#checkVote(id, disk, message.term, message.to);
      this.#checkUpToDate(id, disk, message.term, message.to);
    } else if (message.type === "HeartbeatRequest") {
      this.#ledTerms.add(message.term);
    } else if (message.type === "AppendEntriesRequest") {
      this.#ledTerms.add(message.term);
      this.#checkEntries(message);
    } else if (message.type === "AppendEntriesResponse") {
      if (!message.success) this.#coverage.saw("appendRefused");
      check(
        !message.success || message.term !== disk.hardState.term || message.matchIndex <= disk.lastIndex,
        "acknowledged is durable",
        () => `${id} acknowledges ${message.matchIndex}; its disk ends at ${disk.lastIndex}`,
      );
    }
  }

  #checkTerm(id: MemberId, disk: SimDisk, message: Message): void {
    const { type } = message;
    // Who refuses a pre-vote tells its own term.
    if (type === "RequestVoteRequest" && message.preVote) return;
    if (type === "RequestVoteResponse" && message.preVote && message.granted) return;
    const { term } = message;
    check(term <= disk.hardState.term, "term is durable", () => `${id} tells of term ${term} before it is`);
    this.#releasedTerms.set(id, Math.max(term, this.#releasedTerms.get(id) ?? 0));
  }

  #checkVote(id: MemberId, disk: SimDisk, term: Term, candidate: MemberId): void {
    const key = `${term}/${id}`;
    const other = this.#votes.get(key) ?? candidate;
    check(other === candidate, "one vote a term", () => `${id} voted for ${other} and ${candidate} in term ${term}`);
    this.#votes.set(key, candidate);
    const { hardState } = disk;
    const durable = hardState.term > term || (hardState.term === term && hardState.votedFor === candidate);
    check(durable, "vote is durable", () => `${id} tells of its vote in term ${term} before it is`);
  }

  /** Who votes has no more than the candidate; once somebody leads or the term is over, it may have got more since. */
  #checkUpToDate(id: MemberId, disk: SimDisk, term: Term, candidate: MemberId): void {
    const position = this.#candidates.get(term)?.get(candidate);
    if (position === undefined || this.#ledTerms.has(term) || disk.hardState.term > term) return;
    const own = { index: disk.lastIndex, term: disk.termAt(disk.lastIndex) ?? 0 };
    check(
      position.term > own.term || (position.term === own.term && position.index >= own.index),
      "votes for the up to date",
      () => `${id} at ${own.index}/${own.term} votes for ${candidate} at ${position.index}/${position.term}`,
    );
  }

  /** Log matching, by induction: an entry is the same everywhere, and so is the term of the one before it. */
  #checkEntries({ entries, prevLogTerm }: AppendEntriesRequest): void {
    let prevTerm: Term | undefined = prevLogTerm;
    for (const entry of entries) {
      if (!this.#seenEntries.has(entry)) {
        this.#seenEntries.add(entry);
        this.#matchEntry(entry, prevTerm);
      }
      prevTerm = entry.term;
    }
  }

  #matchEntry(entry: Entry, prevTerm: Term | undefined): void {
    const key = `${entry.index}/${entry.term}`;
    const contentHash = entry.kind === "command" ? hashBytes(entry.command, entry.timeMs >>> 0) : 0;
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { contentHash, prevTerm });
      return;
    }
    check(known.contentHash === contentHash, "log matching", () => `two entries ${key}`);
    check(
      prevTerm === undefined || known.prevTerm === undefined || known.prevTerm === prevTerm,
      "log matching",
      () => `entry ${key} follows terms ${known.prevTerm} and ${prevTerm}`,
    );
    known.prevTerm ??= prevTerm;
  }
}
