import type { Configuration, MemberId } from "../../src/raft/configuration.ts";
import type { MembershipTarget } from "../../src/raft/configuration-change.ts";
import type { ConfigurationAt } from "../../src/raft/configuration-history.ts";
import type { Index, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { Message } from "../../src/raft/message.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import type { ReadState, SnapshotToFetch } from "../../src/raft/raft-state.ts";
import type { Write } from "../../src/raft/ready.ts";
import { applyWrite, compactImage, type DurableImage, installImage, readImage, recovered } from "./durable-image.ts";

/** Something that can happen to a member. */
export type Input =
  | { readonly type: "message"; readonly message: Message }
  | { readonly type: "campaign" }
  | { readonly type: "tick"; readonly byMs: number }
  | { readonly type: "propose"; readonly command: Uint8Array }
  | { readonly type: "read"; readonly context: number }
  | { readonly type: "transfer"; readonly target: MemberId | null }
  | { readonly type: "change"; readonly target: MembershipTarget }
  /** The log up to there is forgotten. */
  | { readonly type: "compact"; readonly index: Index }
  /** The snapshot that the core asked for is complete beside log and state; it stands at `base`. */
  | { readonly type: "fetched"; readonly base: LogBase }
  /** The fetched snapshot is to take the place of log and state, if the core still wants it to. */
  | { readonly type: "install" }
  /** It has, durably. */
  | { readonly type: "installed" }
  /** The write under way is durable. */
  | { readonly type: "written" }
  /** The entries under way are applied. */
  | { readonly type: "applied" }
  /** Stops dead and starts from what is durable; the write under way is lost, or durable though nobody was told. */
  | { readonly type: "restart"; readonly writeSurvives: boolean };

/** A commit index that grew, seen as soon as it did. */
export interface Commit {
  readonly to: Index;
  readonly asLeader: boolean;
  readonly term: Term;
  /** The configuration in force just after. */
  readonly configuration: ConfigurationAt;
}

/** What a member did about an input. */
export interface Outcome {
  /** What left the member, in order. */
  readonly messages: readonly Message[];
  /** Reads that ended. */
  readonly reads: readonly ReadState[];
  readonly commits: readonly Commit[];
  /** Why the input was not accepted. */
  readonly refusal?: string;
}

/** How stepped members are made. */
export interface SteppedMemberOptions {
  readonly id: MemberId;
  /** In force before the first configuration of the log. */
  readonly configuration: Configuration;
  readonly raft: RaftOptions;
  readonly image: DurableImage;
  /** Whether entries are applied as soon as the core asks, or when an input says so. */
  readonly appliesAtOnce: boolean;
}

/**
 * A core with a disk that takes one input at a time, with a turn of the core after each. Writes wait for an input; log reads
 * are answered at once. No chance takes part: equal inputs give equal members.
 */
export class SteppedMember {
  readonly id: MemberId;
  readonly image: DurableImage;
  node: RaftNode;
  /** The write under way, with what was applied and what time it was when it was handed out. */
  writing: { readonly write: Write; readonly appliedIndex: Index; readonly sinceMs: number } | null = null;
  /** Last of the entries under way to be applied. */
  applying: Index | null = null;
  /** The snapshot that the core asked for last, until it is fetched. */
  wanted: SnapshotToFetch | null = null;
  /** Where the snapshot stands that was fetched; it survives a crash. */
  fetched: LogBase | null = null;
  /** Where the snapshot stands that is taking the place of log and state. */
  installing: LogBase | null = null;
  readonly #options: SteppedMemberOptions;
  #starts = 0;
  #nowMs = 0;

  constructor(options: SteppedMemberOptions) {
    this.id = options.id;
    this.image = options.image;
    this.#options = options;
    this.node = this.#start();
  }

  take(input: Input): Outcome {
    const outcome = { messages: [] as Message[], reads: [] as ReadState[], commits: [] as Commit[] };
    if (input.type === "written") outcome.messages.push(...this.#finishWrite());
    if (input.type === "restart") this.#crash(input.writeSurvives);
    const seen = { commitIndex: this.node.commitIndex };
    const refusal = input.type === "restart" ? undefined : this.#give(input);
    this.#noteCommit(seen, outcome.commits);
    for (let turns = 0; this.#turn(outcome); turns++) {
      this.#noteCommit(seen, outcome.commits);
      if (turns > 1000) throw new Error(`${this.id} never comes to rest`);
    }
    this.#noteCommit(seen, outcome.commits);
    return { ...outcome, ...(refusal !== undefined && { refusal }) };
  }

  #start(): RaftNode {
    const { id, configuration, raft } = this.#options;
    // Ids must differ from those of earlier starts; timeouts must not, so that starts are alike in everything else.
    const draws = [0.999, (++this.#starts % 1024) / 2 ** 20, 0];
    const node = new RaftNode(id, recovered(this.image, configuration), raft, () => draws.shift() ?? 0.999);
    node.tick(this.#nowMs);
    return node;
  }

  #crash(writeSurvives: boolean): void {
    const { writing } = this;
    this.writing = null;
    this.applying = null;
    this.wanted = null;
    this.installing = null;
    if (writing !== null && writeSurvives) this.#makeDurable(writing);
    this.node = this.#start();
  }

  #give(input: Exclude<Input, { readonly type: "restart" }>): string | undefined {
    const { node } = this;
    switch (input.type) {
      case "message":
        node.step(input.message, this.#nowMs);
        return undefined;
      case "campaign":
        node.campaign();
        return undefined;
      case "tick":
        this.#nowMs += input.byMs;
        node.tick(this.#nowMs, this.writing === null ? 0 : this.#nowMs - this.writing.sinceMs);
        return undefined;
      case "propose": {
        const result = node.propose([input.command], 0);
        return result.type === "refused" ? result.reason : undefined;
      }
      case "read":
        node.readIndex(input.context, this.#nowMs);
        return undefined;
      case "transfer": {
        const result = node.transferLeadership(input.target);
        return typeof result === "string" ? result : undefined;
      }
      case "change": {
        const result = node.changeMembership(input.target);
        return typeof result === "string" ? result : undefined;
      }
      case "compact":
        this.#compact(input.index);
        return undefined;
      case "fetched":
        this.wanted = null;
        this.fetched = input.base;
        return undefined;
      case "install":
        return this.#beginInstall();
      case "installed":
        this.#finishInstall();
        return undefined;
      case "written":
        node.written();
        return undefined;
      case "applied":
        node.applied(this.applying ?? 0);
        this.applying = null;
        return undefined;
    }
  }

  /** The effects of what is forgotten are durable before it is. */
  #compact(index: Index): void {
    const base = this.node.compact(index);
    this.image.appliedIndex = this.node.appliedIndex;
    compactImage(this.image, base);
  }

  #beginInstall(): string | undefined {
    const { fetched } = this;
    if (fetched === null) throw new Error(`${this.id} has fetched no snapshot`);
    const start = this.node.beginInstall(fetched);
    if (start !== "later") this.fetched = null;
    if (start === "begun") this.installing = fetched;
    return start === "begun" ? undefined : start;
  }

  #finishInstall(): void {
    const { installing } = this;
    if (installing === null) throw new Error(`${this.id} installs no snapshot`);
    this.installing = null;
    installImage(this.image, installing);
    this.node.installed();
  }

  #finishWrite(): readonly Message[] {
    const { writing } = this;
    if (writing === null) throw new Error(`${this.id} has no write under way`);
    this.writing = null;
    this.#makeDurable(writing);
    return writing.write.messages;
  }

  #makeDurable({ write, appliedIndex }: NonNullable<SteppedMember["writing"]>): void {
    applyWrite(this.image, write);
    this.image.appliedIndex = Math.max(this.image.appliedIndex, appliedIndex);
  }

  /** One turn; whether it led to anything that calls for another. */
  #turn(outcome: { readonly messages: Message[]; readonly reads: ReadState[] }): boolean {
    const { node } = this;
    const ready = node.ready();
    outcome.messages.push(...ready.messages);
    outcome.reads.push(...ready.reads);
    if (ready.fetchSnapshot) this.wanted = ready.fetchSnapshot;
    if (ready.write) this.writing = { write: ready.write, appliedIndex: node.appliedIndex, sinceMs: this.#nowMs };
    for (const { peer, from, to } of ready.logReads) {
      node.entriesRead(peer, readImage(this.image, from, to, this.#options.raft.appendBytesMax));
    }
    if (ready.apply && this.#options.appliesAtOnce) node.applied(ready.apply.last);
    else if (ready.apply) this.applying = ready.apply.last;
    return ready.logReads.length > 0 || (ready.apply !== undefined && this.#options.appliesAtOnce);
  }

  #noteCommit(seen: { commitIndex: Index }, commits: Commit[]): void {
    const { role, term, commitIndex, configurationAt } = this.node;
    if (commitIndex === seen.commitIndex) return;
    seen.commitIndex = commitIndex;
    commits.push({ to: commitIndex, asLeader: role === "leader", term, configuration: configurationAt });
  }
}
