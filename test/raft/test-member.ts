import { type Configuration, type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import type { MembershipTarget } from "../../src/raft/configuration-change.ts";
import type { Entry, HardState, Index, Term } from "../../src/raft/entry.ts";
import type { InstallStart } from "../../src/raft/install.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { Message } from "../../src/raft/message.ts";
import { defaultRaftOptions, type RaftOptions } from "../../src/raft/options.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import type { LogRead, ReadState, SnapshotToFetch } from "../../src/raft/raft-state.ts";
import { seededRandom } from "../../src/raft/random.ts";
import type { Ready, Write } from "../../src/raft/ready.ts";
import { applyWrite, compactImage, type DurableImage, installImage, readImage, recovered } from "./durable-image.ts";

/** Options under which little waiting is needed; members of the tests below use them unless they say otherwise. */
export const testOptions: RaftOptions = { ...defaultRaftOptions, electionTimeoutMs: 100, heartbeatIntervalMs: 10 };

/** How a test member starts. */
export interface TestMemberOptions {
  /** Default "a". */
  readonly id?: MemberId;
  /** Default "a", "b", "c". */
  readonly configuration?: Configuration;
  /** Terms of the entries in its log; default none. */
  readonly terms?: readonly Term[];
  /** Default: the last of `terms`, no vote, nothing committed. */
  readonly hardState?: Partial<HardState>;
  readonly raft?: Partial<RaftOptions>;
  readonly seed?: number;
  /** Started from instead of `terms` and `hardState`. */
  readonly image?: DurableImage;
}

/** A configuration of these voters. */
export function voters(...ids: MemberId[]): Configuration {
  return votersOnly(ids.map((id) => ({ id, name: id, peerAddress: id })));
}

/** What a member has that is to join: it knows of nobody, and never campaigns until it has heard of itself. */
export const newcomer: Configuration = voters();

/** Who is to take part when a change is over; each letter is a member. Learners stay learners unless told otherwise. */
export function target(voterIds: string, learnerIds = "", keepLearner = true): MembershipTarget {
  const incoming = voterIds.split("");
  const learners = learnerIds.split("");
  const members = [...incoming, ...learners].map((id) => {
    const member = { id, name: id, peerAddress: id };
    return learners.includes(id) && keepLearner ? { ...member, keepLearner } : member;
  });
  return { voters: incoming, learners, members };
}

/** Commands of these terms, from `first` on. */
export function entriesOf(terms: readonly Term[], first: Index = 1): Entry[] {
  return terms.map((term, position) => {
    const index = first + position;
    return { kind: "command", index, term, timeMs: 0, command: Uint8Array.of(index, term) };
  });
}

/** A core with a disk, whose writes and log reads wait until the test lets them happen. */
export class TestMember {
  readonly node: RaftNode;
  readonly image: DurableImage;
  readonly options: RaftOptions;
  readonly applied: Index[] = [];
  readonly reads: ReadState[] = [];
  /** Log reads that wait. */
  logReads: LogRead[] = [];
  /** Snapshots that it was asked to fetch, and has not. */
  toFetch: SnapshotToFetch[] = [];
  /** The write under way. */
  writing: Write | undefined;
  /** Whether its state machine stands still: what is to be applied waits for {@link finishApply}. */
  slowStateMachine = false;
  /** What is being applied. */
  applying: Ready["apply"];
  nowMs = 0;
  /** The write under way, and every later one, does not end. */
  diskStandsStill = false;
  #writingSinceMs = 0;
  readonly #configuration: Configuration;

  constructor(options: TestMemberOptions = {}) {
    const entries = entriesOf(options.terms ?? []);
    const hardState = { term: entries.at(-1)?.term ?? 0, votedFor: null, commitIndex: 0, ...options.hardState };
    this.image = options.image ?? { hardState, entries, appliedIndex: 0 };
    this.options = { ...testOptions, ...options.raft };
    this.#configuration = options.configuration ?? voters("a", "b", "c");
    const start = recovered(this.image, this.#configuration);
    this.node = new RaftNode(options.id ?? "a", start, this.options, seededRandom(options.seed ?? 1));
    this.node.tick(0);
  }

  /** A new start from what is durable now. */
  restart(seed = 2): TestMember {
    const image = structuredClone(this.image);
    return new TestMember({ id: this.node.id, configuration: this.#configuration, raft: this.options, image, seed });
  }

  /** One turn; its write waits for {@link finishWrite}. */
  turn(): Ready {
    const ready = this.node.ready();
    if (ready.write) {
      this.writing = ready.write;
      this.#writingSinceMs = this.nowMs;
    }
    if (ready.apply) {
      this.applying = ready.apply;
      if (!this.slowStateMachine) this.finishApply();
    }
    this.reads.push(...ready.reads);
    this.logReads.push(...ready.logReads);
    if (ready.fetchSnapshot) this.toFetch.push(ready.fetchSnapshot);
    return ready;
  }

  /** Makes the write under way durable; the messages that waited for it. */
  finishWrite(): readonly Message[] {
    const write = this.writing;
    if (write === undefined) throw new Error("no write is under way");
    this.writing = undefined;
    applyWrite(this.image, write);
    this.node.written();
    return write.messages;
  }

  /** Applies what is being applied. */
  finishApply(): void {
    if (this.applying === undefined) throw new Error("nothing is being applied");
    const { first, last } = this.applying;
    this.applying = undefined;
    for (let index = first; index <= last; index++) this.applied.push(index);
    this.node.applied(last);
  }

  /** Answers the log reads that wait. */
  finishLogReads(): void {
    const waiting = this.logReads;
    this.logReads = [];
    for (const { peer, from, to } of waiting) {
      this.node.entriesRead(peer, readImage(this.image, from, to, this.options.appendBytesMax));
    }
  }

  /** Forgets the entries up to `index`, durably. Their effects are made durable before. */
  compact(index: Index): void {
    const base = this.node.compact(index);
    this.image.appliedIndex = this.node.appliedIndex;
    compactImage(this.image, base);
  }

  /** Installs a snapshot with a disk that needs no time, if the core lets it. */
  install(base: LogBase): InstallStart {
    const start = this.node.beginInstall(base);
    if (start === "begun") this.finishInstall(base);
    return start;
  }

  /** The snapshot whose installation was begun is durable. */
  finishInstall(base: LogBase): void {
    installImage(this.image, base);
    this.node.installed();
  }

  /** Takes turns until nothing is left to do, with a disk that needs no time; everything that was sent. */
  drain(): Message[] {
    const sent: Message[] = [];
    for (let turns = 0; turns < 1000; turns++) {
      const ready = this.turn();
      sent.push(...ready.messages);
      if (this.writing && !this.diskStandsStill) sent.push(...this.finishWrite());
      else if (this.logReads.length > 0) this.finishLogReads();
      else if (!(ready.apply && !this.slowStateMachine) && ready.messages.length === 0) return sent;
    }
    throw new Error("never comes to rest");
  }

  /** Takes a message and does what it leads to; everything that was sent. */
  hear(message: Message): Message[] {
    this.node.step(message, this.nowMs);
    return this.drain();
  }

  /** Tells the core the time, and for how long the write under way has taken. */
  tick(): void {
    this.node.tick(this.nowMs, this.writing === undefined ? 0 : this.nowMs - this.#writingSinceMs);
  }

  /** Lets time pass, a heartbeat interval at a time; everything that was sent. */
  wait(forMs: number): Message[] {
    const sent: Message[] = [];
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; ) {
      this.nowMs += this.options.heartbeatIntervalMs;
      this.tick();
      sent.push(...this.drain());
    }
    return sent;
  }

  /** Makes it leader, by the votes of everybody else; everything sent since it won. */
  lead(): Message[] {
    const { node } = this;
    node.campaign();
    for (const preVote of [true, false]) {
      for (const request of this.drain()) {
        if (request.type !== "RequestVoteRequest" || request.preVote !== preVote) continue;
        const { to: from, from: to, term } = request;
        node.step({ type: "RequestVoteResponse", from, to, term, granted: true, preVote }, this.nowMs);
      }
    }
    if (node.role !== "leader") throw new Error(`${node.id} did not become leader`);
    return this.drain();
  }
}
