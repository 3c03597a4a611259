import type { Configuration, MemberId } from "../../src/raft/configuration.ts";
import type { Entry, Index } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { Message } from "../../src/raft/message.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import type { LogRead, ReadState } from "../../src/raft/raft-state.ts";
import { type Random, seededRandom } from "../../src/raft/random.ts";
import type { Ready, Write } from "../../src/raft/ready.ts";
import { applyWrite, compactImage, type DurableImage, emptyImage, readImage, recovered } from "./durable-image.ts";
import { EventQueue } from "./event-queue.ts";
import { SnapshotCarrier } from "./snapshot-carrier.ts";

/** From `min` to `max` milliseconds, drawn anew each time. */
export interface Span {
  readonly min: number;
  readonly max: number;
}

/** How well messages and writes get through at present; may be changed while the network runs. */
export interface Conditions {
  delayMs: Span;
  /** Share of messages that take `slowMs` instead. */
  slowRate: number;
  slowMs: Span;
  dropRate: number;
  duplicateRate: number;
  writeMs: Span;
  applyMs: Span;
  logReadMs: Span;
  /** How long a snapshot is on its way. */
  transferMs: Span;
  /** How much longer than a write an installation takes. */
  installMs: Span;
  /** Share of inputs after which a member waits for more before its turn, so that turns hold several inputs. */
  gatherRate: number;
}

/** Nothing is lost, and everything takes a millisecond or two. */
export const calm: Conditions = {
  delayMs: { min: 1, max: 2 },
  slowRate: 0,
  slowMs: { min: 0, max: 0 },
  dropRate: 0,
  duplicateRate: 0,
  writeMs: { min: 1, max: 2 },
  applyMs: { min: 0, max: 1 },
  logReadMs: { min: 0, max: 1 },
  transferMs: { min: 1, max: 4 },
  installMs: { min: 0, max: 1 },
  gatherRate: 0,
};

/** A member and its disk. */
export interface CoreMember {
  readonly id: MemberId;
  /** In force before the first configuration of the log that it started with. */
  readonly base: Configuration;
  /** `null` while it is down. */
  node: RaftNode | null;
  /** Counts starts; what was under way for an earlier one is void. */
  incarnation: number;
  readonly image: DurableImage;
  /** The one write under way. */
  writing: { readonly write: Write; readonly appliedIndex: Index } | null;
  /** Whose snapshot is on its way; `null` when none is. */
  fetching: MemberId | null;
  /** A snapshot that is there, durably, and not installed. */
  fetched: LogBase | null;
  /** The snapshot that is taking the place of log and state. */
  installing: LogBase | null;
  /** Its process does not run until then; what arrives waits. */
  pausedUntilMs: number;
}

/** Told of everything that happens, at once. */
export interface CoreObserver {
  started(member: CoreMember, node: RaftNode): void;
  /** After each input. */
  stepped(member: CoreMember, node: RaftNode): void;
  /** Before messages leave. */
  released(member: CoreMember, messages: readonly Message[]): void;
  /** Before a write gets into the image. */
  becomingDurable(member: CoreMember, write: Write): void;
  applying(member: CoreMember, entries: readonly Entry[]): void;
  /** A snapshot that stands at `base` begins to take the place of log and state. */
  installing(member: CoreMember, node: RaftNode, base: LogBase): void;
  readEnded(member: CoreMember, read: ReadState): void;
  happened(event: NetworkEvent): void;
}

/** What the network did, for counting. */
export type NetworkEvent =
  | "dropped"
  | "duplicated"
  | "crashedWriting"
  | "crashedAfterWrite"
  | "crashedInstalling"
  | "crashedAfterInstall"
  | "compacted"
  | "logRead"
  | "logReadGone"
  | "paused"
  | "snapshotBegun"
  | "snapshotInstalled"
  | "snapshotLater"
  | "snapshotNotGiven"
  | "snapshotOutdated";

/** What a network is made of. */
export interface CoreNetworkOptions {
  readonly configuration: Configuration;
  readonly raft: RaftOptions;
  readonly seed: number;
  readonly tickMs: Span;
  readonly conditions: Conditions;
  readonly observer: CoreObserver;
  /** How fast a member's clock runs. Default: 1, right. */
  readonly clockRate?: (id: MemberId) => number;
  /** What a member's settings differ in from `raft`. Default: nothing. */
  readonly differs?: (id: MemberId) => Partial<RaftOptions>;
}

/**
 * Raft cores in virtual time: equal options give equal runs. It keeps the contract that the cores rely on: messages of a
 * write leave only when the write is durable, one write is under way at a time, and log reads see what is durable only.
 */
export class CoreNetwork {
  readonly members: CoreMember[] = [];
  readonly queue = new EventQueue();
  conditions: Conditions;
  /** Whether nothing gets from the first to the second. */
  isCut: (from: MemberId, to: MemberId) => boolean = () => false;
  /** How much longer than usual a message takes, milliseconds. */
  holdUp: (message: Message) => number = () => 0;
  /** Called when a snapshot is on its way to a member, and when its installation begins. */
  onSnapshot: (member: CoreMember) => void = () => {};
  /** Members whose writes take this much longer, milliseconds. */
  readonly slowDisks = new Map<MemberId, number>();
  readonly #options: CoreNetworkOptions;
  readonly #random: Random;
  readonly #snapshots: SnapshotCarrier;

  constructor(options: CoreNetworkOptions) {
    this.#options = options;
    this.conditions = options.conditions;
    this.#random = seededRandom(options.seed * 4 + 1);
    this.#snapshots = new SnapshotCarrier({
      find: (id) => this.members.find((member) => member.id === id),
      isCut: (from, to) => this.isCut(from, to),
      later: (member, delayMs, act) => this.#later(member, delayMs, act),
      transferMs: () => this.#draw(this.conditions.transferMs),
      installMs: (member) => this.#writeMs(member) + this.#draw(this.conditions.installMs),
      random: this.#random,
      underWay: (member) => this.onSnapshot(member),
      observer: options.observer,
    });
    for (const { id } of options.configuration.members) this.add(id, options.configuration);
  }

  /** A new member with an empty disk starts. */
  add(id: MemberId, base: Configuration): CoreMember {
    const nothing = { node: null, writing: null, fetching: null, fetched: null, installing: null };
    const member: CoreMember = { id, base, ...nothing, incarnation: 0, image: emptyImage(), pausedUntilMs: 0 };
    this.members.push(member);
    this.start(member);
    return member;
  }

  /** Runs until `forMs` have passed. */
  run(forMs: number): void {
    const untilMs = this.queue.nowMs + forMs;
    while (this.queue.runNext(untilMs));
  }

  /** Runs until `condition` holds; whether it did within `withinMs`. */
  runUntil(condition: () => boolean, withinMs: number): boolean {
    const untilMs = this.queue.nowMs + withinMs;
    while (!condition()) if (!this.queue.runNext(untilMs)) return condition();
    return true;
  }

  /** A member's monotonic clock. */
  clock({ id }: CoreMember): number {
    return this.queue.nowMs * (this.#options.clockRate?.(id) ?? 1);
  }

  /** Starts a member that is down from its durable image. */
  start(member: CoreMember): void {
    if (member.node !== null) return;
    member.incarnation++;
    member.pausedUntilMs = 0;
    const state = recovered(member.image, member.base);
    // A start must not repeat the numbers of the one before: read ids come from here.
    const random = seededRandom(Math.floor(this.#random() * 2 ** 40));
    const raft = { ...this.#options.raft, ...this.#options.differs?.(member.id) };
    member.node = new RaftNode(member.id, state, raft, random);
    this.#options.observer.started(member, member.node);
    this.#tickSoon(member);
  }

  /** Stops a member dead. The write under way is lost, or durable though nobody was told. */
  crash(member: CoreMember): void {
    if (member.node === null) return;
    member.node = null;
    this.#snapshots.settle(member);
    const { writing } = member;
    member.writing = null;
    if (writing === null) return;
    const survives = this.#random() < 0.5;
    this.#options.observer.happened(survives ? "crashedAfterWrite" : "crashedWriting");
    if (survives) this.#makeDurable(member, writing);
  }

  /** Lets a member's process stand still. */
  pause(member: CoreMember, forMs: number): void {
    member.pausedUntilMs = this.queue.nowMs + forMs;
    this.#options.observer.happened("paused");
  }

  /** Lets a member forget its log up to `index`, which its disk has applied; durably a while later. */
  compact(member: CoreMember, index: Index): void {
    if (member.node === null || member.installing !== null) return;
    const base = member.node.compact(index);
    this.#options.observer.happened("compacted");
    this.#options.observer.stepped(member, member.node);
    this.#later(member, this.#writeMs(member), () => compactImage(member.image, base));
  }

  /** Gives a member an input; nothing when it is down. */
  input<Result>(member: CoreMember, act: (node: RaftNode) => Result): Result | undefined {
    const { node } = member;
    if (node === null) return undefined;
    const result = act(node);
    this.#options.observer.stepped(member, node);
    if (this.#random() < this.conditions.gatherRate) this.#later(member, this.#draw({ min: 0, max: 3 }), () => {});
    else this.#turn(member, node);
    return result;
  }

  #later(member: CoreMember, delayMs: number, act: (node: RaftNode) => void): void {
    const { incarnation } = member;
    const due = (): void => {
      if (member.incarnation !== incarnation || member.node === null) return;
      const pauseMs = member.pausedUntilMs - this.queue.nowMs;
      if (pauseMs > 0) this.queue.after(pauseMs, due);
      else this.input(member, act);
    };
    this.queue.after(delayMs, due);
  }

  #tickSoon(member: CoreMember): void {
    this.#later(member, this.#draw(this.#options.tickMs), (node) => {
      this.#tickSoon(member);
      node.tick(this.clock(member));
    });
  }

  #turn(member: CoreMember, node: RaftNode): void {
    const { observer } = this.#options;
    this.#snapshots.tryInstall(member, node);
    // A caller may have no room for a write in one turn, and take it in another.
    const ready = node.ready(this.#random() >= this.conditions.gatherRate / 2);
    observer.stepped(member, node);
    this.#send(member, ready.messages);
    if (ready.write) this.#write(member, ready.write);
    if (ready.apply) this.#apply(member, node, ready.apply);
    for (const read of ready.reads) observer.readEnded(member, read);
    for (const read of ready.logReads) this.#readLog(member, read);
    if (ready.fetchSnapshot) this.#snapshots.fetch(member, ready.fetchSnapshot);
  }

  #write(member: CoreMember, write: Write): void {
    const writing = { write, appliedIndex: member.node?.appliedIndex ?? 0 };
    if (member.writing !== null) throw new Error(`${member.id} has two writes under way`);
    member.writing = writing;
    this.#later(member, this.#writeMs(member), (node) => {
      member.writing = null;
      this.#makeDurable(member, writing);
      node.written();
      this.#send(member, write.messages);
    });
  }

  #writeMs({ id }: CoreMember): number {
    return (this.slowDisks.get(id) ?? 0) + this.#draw(this.conditions.writeMs);
  }

  #makeDurable(member: CoreMember, writing: NonNullable<CoreMember["writing"]>): void {
    this.#options.observer.becomingDurable(member, writing.write);
    applyWrite(member.image, writing.write);
    member.image.appliedIndex = Math.max(member.image.appliedIndex, writing.appliedIndex);
  }

  #apply(member: CoreMember, node: RaftNode, range: NonNullable<Ready["apply"]>): void {
    const entries =
      node.entries(range.first, range.last, Number.POSITIVE_INFINITY) ??
      readImage(member.image, range.first, range.last, Number.POSITIVE_INFINITY);
    this.#options.observer.applying(member, entries);
    this.#later(member, this.#draw(this.conditions.applyMs), (later) => later.applied(range.last));
  }

  #readLog(member: CoreMember, read: LogRead): void {
    this.#options.observer.happened("logRead");
    this.#later(member, this.#draw(this.conditions.logReadMs), (node) => {
      const entries = readImage(member.image, read.from, read.to, this.#options.raft.appendBytesMax);
      if (entries.length === 0) this.#options.observer.happened("logReadGone");
      node.entriesRead(read.peer, entries);
    });
  }

  #send(member: CoreMember, messages: readonly Message[]): void {
    if (messages.length === 0) return;
    this.#options.observer.released(member, messages);
    for (const message of messages) {
      this.#carry(message);
      if (this.#random() < this.conditions.duplicateRate) {
        this.#options.observer.happened("duplicated");
        this.#carry(message);
      }
    }
  }

  #carry(message: Message): void {
    const { delayMs, slowRate, slowMs, dropRate } = this.conditions;
    if (this.isCut(message.from, message.to) || this.#random() < dropRate) {
      this.#options.observer.happened("dropped");
      return;
    }
    const target = this.members.find((member) => member.id === message.to);
    if (target === undefined) throw new Error(`message to ${message.to}, who does not exist`);
    const delay = this.holdUp(message) + this.#draw(this.#random() < slowRate ? slowMs : delayMs);
    this.queue.after(delay, () => {
      // A message outlives the process it was sent to: it may reach the next one.
      if (!this.isCut(message.from, message.to))
        this.#later(target, 0, (node) => node.step(message, this.clock(target)));
    });
  }

  #draw({ min, max }: Span): number {
    return min + (max - min) * this.#random();
  }
}
