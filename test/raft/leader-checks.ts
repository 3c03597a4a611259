import { type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import { entriesSize, entrySize, type Index, type Term } from "../../src/raft/entry.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import type { Progress } from "../../src/raft/progress.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import type { CoreMember } from "./core-network.ts";
import type { Coverage } from "./coverage.ts";
import { imageBaseIndex, imageLastIndex, imageTermAt } from "./durable-image.ts";
import { rule } from "./rule.ts";

/** Largest batch that the runs propose at once, bytes; limits may be exceeded by one. */
export const proposalBytesMax = 512;

/** Rules that a leader's own view must keep. */
export class LeaderChecks {
  readonly #options: RaftOptions;
  readonly #coverage: Coverage;
  /** Where each leader's log ended when last looked at. */
  readonly #ends = new Map<
    MemberId,
    { readonly term: Term; readonly index: Index; readonly lastTerm: Term | undefined }
  >();
  /** Index of each leader's no-op. */
  readonly #noops = new Map<MemberId, Index>();
  readonly #matches = new WeakMap<Progress, Index>();

  constructor(options: RaftOptions, coverage: Coverage) {
    this.#options = options;
    this.#coverage = coverage;
  }

  /** A leadership begins. */
  begin(node: RaftNode): void {
    rule(node.termAt(node.lastIndex) === node.term, () => `${node.id} leads without an entry of its term`);
    this.#ends.delete(node.id);
    this.#noops.set(node.id, node.lastIndex);
  }

  check(node: RaftNode, members: readonly CoreMember[]): void {
    this.#checkAppendOnly(node);
    this.#checkUncommitted(node);
    for (const member of members) this.#checkPeer(node, member);
  }

  /** Counted anew, from what is in memory; proposals are limited, the no-op and configurations come on top. */
  #checkUncommitted(node: RaftNode): void {
    const settled = Math.min(node.commitIndex, node.durableIndex);
    const first = Math.max(settled + 1, this.#noops.get(node.id) ?? 1);
    const entries = first > node.lastIndex ? [] : node.entries(first, node.lastIndex, Number.POSITIVE_INFINITY);
    rule(entries !== undefined, () => `${node.id} let go of entry ${first}`);
    const bytes = entriesSize(entries);
    rule(node.uncommittedBytes === bytes, () => `${node.uncommittedBytes} bytes uncommitted, of ${bytes}`);
    const proposed = entriesSize(entries.filter(({ kind }) => kind === "command"));
    const bytesMax = this.#options.uncommittedBytesMax + proposalBytesMax;
    rule(proposed <= bytesMax, () => `${proposed} bytes of proposals uncommitted`);
  }

  #checkAppendOnly(node: RaftNode): void {
    const end = this.#ends.get(node.id);
    if (end?.term === node.term) {
      rule(node.lastIndex >= end.index, () => `leader append-only: ${node.id} shortened its log`);
      rule(
        end.index < node.firstIndex - 1 || node.termAt(end.index) === end.lastTerm,
        () => `leader append-only: ${node.id} overwrote entry ${end.index}`,
      );
    }
    this.#ends.set(node.id, { term: node.term, index: node.lastIndex, lastTerm: node.termAt(node.lastIndex) });
  }

  #checkPeer(node: RaftNode, member: CoreMember): void {
    const progress = node.progress.get(member.id);
    if (progress === undefined) return;
    const { matchIndex, nextIndex, inflights } = progress;
    rule(matchIndex < nextIndex, () => `match ${matchIndex} of ${member.id} is not below next ${nextIndex}`);
    if (progress.state === "snapshot") rule(inflights.count === 0, () => `entries are under way to ${member.id}`);
    rule(nextIndex <= node.lastIndex + 1, () => `next ${nextIndex} of ${member.id} is beyond the log`);
    rule(matchIndex >= (this.#matches.get(progress) ?? 0), () => `match of ${member.id} ran back`);
    this.#matches.set(progress, matchIndex);
    const { messages, bytes } = this.#options.inflight;
    rule(inflights.count <= messages, () => `${inflights.count} messages under way to ${member.id}`);
    rule(
      inflights.bytes < bytes + this.#options.appendBytesMax + largestEntry,
      () => `${inflights.bytes} bytes under way`,
    );
    if (inflights.full) this.#coverage.saw("windowFull");
    // A follower of a later term may have truncated what it had acknowledged to this leader, who is deposed then.
    if (member.image.hardState.term > node.term) return;
    const own = node.termAt(matchIndex);
    const compacted = own === undefined || matchIndex < imageBaseIndex(member.image);
    rule(
      compacted ? matchIndex <= imageLastIndex(member.image) : imageTermAt(member.image, matchIndex) === own,
      () => `${node.id} believes that ${member.id} has entry ${matchIndex}`,
    );
  }
}

/** A configuration of all members that a run may have. */
const largestEntry = entrySize({
  kind: "configuration",
  index: 1,
  term: 1,
  timeMs: 0,
  configuration: votersOnly("abcdefghij".split("").map((id) => ({ id, name: id, peerAddress: id }))),
});
