import { type MemberId, peersOf } from "../raft/configuration.ts";
import type { Term } from "../raft/entry.ts";
import type { Message } from "../raft/message.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import { randomId, seededRandom } from "../raft/random.ts";
import type { Write } from "../raft/ready.ts";
import type { PeerHello, PeerMessage } from "../transport/peer-transport.ts";
import { Applier } from "./applier.ts";
import { Forwarder } from "./forwarder.ts";
import { groupByReceiver } from "./group-by-receiver.ts";
import { LogReader } from "./log-reader.ts";
import type { ProposalOutcome, ReadOutcome } from "./outcome.ts";
import { PeerRegistry } from "./peer-registry.ts";
import { Proposer } from "./proposer.ts";
import { Reader } from "./reader.ts";
import { recoverNode } from "./recover-node.ts";
import type { CallOptions, ReplicaDependencies } from "./replica-dependencies.ts";
import { type ReplicaStatus, replicaStatus } from "./replica-status.ts";
import { StateView } from "./state-view.ts";
import { StoreWriter } from "./store-writer.ts";

//   gRPC calls --propose, readIndex--> +--------------------------------------------------+
//   peers ------messages-------------> |  one turn:  drain inbox -> RaftNode -> Ready      |
//   clock ------tick-----------------> |     send | one synced write | apply | answer      |
//   store ------written, read--------> +--------------------------------------------------+
//
// Input gathers for the next turn, and what waits to be written gathers while a write is on its way: group commit without
// a timer. Nothing here awaits; a tick and the end of a write or read tell the core at once, and a turn follows.

/** One member at work: core, state machine, store and transport, driven by one loop. */
export class Replica {
  readonly #deps: ReplicaDependencies;
  readonly #node: RaftNode;
  readonly #view: StateView;
  readonly #applier: Applier;
  readonly #writer: StoreWriter;
  readonly #peers: PeerRegistry;
  readonly #forwarder: Forwarder;
  readonly #reader: Reader;
  readonly #logReader: LogReader;
  readonly #proposer: Proposer;
  #inbox: PeerMessage[] = [];
  readonly #listeners = new Set<() => void>();
  #seenState = "";
  #turnScheduled = false;
  #stopped = false;
  #stopTicking: () => void = () => {};
  #lastTickMs: number;

  private constructor(deps: ReplicaDependencies, view: StateView) {
    this.#deps = deps;
    this.#view = view;
    const { store, options, metrics, runtime } = deps;
    const { recovered } = store;
    const random = seededRandom(deps.seed);
    this.#node = recoverNode(store, options.raft, random);
    this.#lastTickMs = runtime.now();
    const fail = (error: unknown) => this.#fail(error);
    const wake = () => this.#wake();
    const shared = { node: this.#node, store, view, options, metrics, runtime, fail, wake };
    this.#writer = new StoreWriter({ ...shared, written: (write) => this.#written(write) }, recovered.appliedIndex);
    this.#peers = new PeerRegistry({ ...shared, writer: this.#writer });
    const inspect = (command: Uint8Array) => deps.stateMachine.inspect(command);
    this.#forwarder = new Forwarder({ ...shared, inspect, firstBatchId: randomId(random) });
    this.#proposer = new Proposer({ ...shared, inspect, transport: deps.transport, forwarder: this.#forwarder });
    const { appended: proposals } = this.#proposer;
    this.#applier = new Applier({ ...shared, stateMachine: deps.stateMachine, proposals }, recovered.appliedIndex);
    this.#logReader = new LogReader(shared);
    this.#reader = new Reader({ ...shared, applier: this.#applier });
  }

  /** Recovers the state from the store and begins to take part in the cluster. Rejects when an address cannot be bound. */
  static async open(deps: ReplicaDependencies): Promise<Replica> {
    const view = await StateView.load(deps.store, deps.stateMachine.indexPrefix);
    const replica = new Replica(deps, view);
    await replica.#start();
    return replica;
  }

  async #start(): Promise<void> {
    const { transport, runtime, options, store } = this.#deps;
    const id = store.identity.memberId;
    const peerIds = peersOf(this.#node.configuration, id);
    transport.setPeers(this.#node.configuration.members.filter((member) => peerIds.includes(member.id)));
    await transport.start({
      onMessages: (_from, messages) => this.#receive(messages),
      onHello: (hello: PeerHello) => this.#peers.greet(hello),
      onUnreachable: (peer) => this.#unreachable(peer),
    });
    this.#stopTicking = runtime.every(options.tickIntervalMs, () => this.#tick());
    this.#wake();
  }

  /** The monotonic clock that deadlines refer to, milliseconds. */
  now(): number {
    return this.#deps.runtime.now();
  }

  /** The member's view of itself and of the cluster. */
  status(): ReplicaStatus {
    return replicaStatus(this.#node, {
      nowMs: this.now(),
      appliedIndex: this.#applier.appliedIndex,
      logSizeBytes: this.#deps.store.logSizeBytes,
      caughtUp: this.#reader.caughtUp,
      pendingProposals: this.#proposer.size,
    });
  }

  /** Term and leader as far as known. */
  leadership(): { readonly term: Term; readonly leaderId: MemberId | null } {
    return this.#node;
  }

  /** A row of the state as applied at present, not to be changed. Throws, and stops the member, when it cannot be read. */
  stateRow(key: Uint8Array): Uint8Array | undefined {
    return this.#view.getOrFail(key, (error) => this.#fail(error));
  }

  /** How long the disk write under way has taken so far, milliseconds; 0 when there is none. */
  diskWriteAgeMs(): number {
    return this.#writer.ageMs;
  }

  /** What a peer told about itself; `undefined` before its first hello. */
  peerHello(memberId: MemberId): PeerHello | undefined {
    return this.#peers.hello(memberId);
  }

  /** Calls `listener` after a turn in which role, term, leader, configuration or readiness changed; returns how to stop it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Proposes a command; `done` is called exactly once, in a later turn. */
  propose(command: Uint8Array, options: CallOptions, done: (outcome: ProposalOutcome) => void): void {
    this.#proposer.add({ command, ...options, done });
    this.#wake();
  }

  /** Asks when the local state may be read linearizably; `done` is called exactly once, in a later turn. */
  readIndex(options: CallOptions, done: (outcome: ReadOutcome) => void): void {
    this.#reader.add({ ...options, receivedMs: this.now(), done });
    this.#wake();
  }

  /** Calls `done` when `reached()` holds, looked at after every batch applied, or with false at the deadline. */
  waitApplied(reached: () => boolean, deadlineMs: number, done: (reached: boolean) => void): void {
    this.#reader.waitApplied(reached, deadlineMs, done);
    this.#wake();
  }

  /**
   * Takes no more calls and waits until those under way have ended, at most until `deadlineMs`. The member goes on taking
   * part in consensus until {@link close}.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#proposer.drain();
    this.#reader.drain();
    await new Promise<void>((resolve) => {
      const stop = this.#deps.runtime.every(this.#deps.options.tickIntervalMs, () => {
        if (!this.#stopped && this.#proposer.size + this.#reader.size > 0 && this.now() < deadlineMs) return;
        stop();
        resolve();
      });
    });
  }

  /** Stops for good: what is under way ends as unknown, the write under way is awaited, the store is closed; idempotent. */
  async close(): Promise<void> {
    this.#stop();
    await this.#deps.transport.close();
    await this.#deps.store.close();
  }

  #receive(messages: readonly PeerMessage[]): void {
    if (this.#stopped) return;
    for (const message of messages) this.#inbox.push(message);
    this.#wake();
  }

  #unreachable(peer: MemberId): void {
    if (this.#stopped) return;
    this.#guarded(() => {
      this.#node.unreachable(peer);
      this.#proposer.tryAgain(this.#forwarder.takeBackFrom(peer));
    });
    this.#wake();
  }

  #tick(): void {
    const { options, runtime, metrics } = this.#deps;
    const nowMs = runtime.now();
    const lateMs = nowMs - this.#lastTickMs - options.tickIntervalMs;
    if (this.#node.role === "leader") metrics.heartbeatDelay(Math.max(0, lateMs) / 1000);
    this.#lastTickMs = nowMs;
    this.#guarded(() => {
      this.#node.tick(nowMs);
      this.#proposer.tick(nowMs);
      this.#reader.tick(nowMs);
      this.#writer.flushRows(this.#applier.appliedIndex);
    });
    this.#wake();
  }

  #wake(): void {
    if (this.#turnScheduled || this.#stopped) return;
    this.#turnScheduled = true;
    this.#deps.runtime.soon(() => {
      this.#turnScheduled = false;
      this.#guarded(() => this.#turn());
    });
  }

  /** Runs a part of the loop; whatever it throws means that the state can no longer be trusted. */
  #guarded(part: () => void): void {
    if (this.#stopped) return;
    try {
      part();
    } catch (error) {
      this.#fail(error);
    }
  }

  #turn(): void {
    this.#drainInbox();
    this.#proposer.proposeQueued();
    this.#reader.ask();
    this.#peers.remember();
    const ready = this.#node.ready(!this.#writer.busy);
    this.#send(ready.messages);
    if (ready.write !== undefined) this.#writer.write(ready.write, this.#applier.appliedIndex);
    if (ready.apply !== undefined) this.#applier.ask(ready.apply);
    for (const read of ready.logReads) this.#logReader.read(read);
    const applied = this.#applier.applySlice();
    this.#reader.serve(ready.reads, applied > 0);
    for (const [to, messages] of this.#forwarder.takeAnswers()) this.#deps.transport.send(to, messages);
    this.#noticeChanges();
    // More to apply, or what applying made possible, needs no further event.
    if (this.#applier.hasWork || ready.apply !== undefined) this.#wake();
  }

  #drainInbox(): void {
    const inbox = this.#inbox;
    this.#inbox = [];
    const nowMs = this.now();
    for (const message of inbox) {
      if (message.type === "ForwardRequest") this.#proposer.addForwarded(message, nowMs);
      else if (message.type === "ForwardResponse") this.#proposer.tryAgain(this.#forwarder.answered(message));
      else {
        this.#peers.noteAnswer(message, nowMs);
        this.#node.step(message, nowMs);
      }
    }
  }

  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    this.#peers.noteSent(messages, this.now());
    for (const [to, list] of groupByReceiver(messages)) this.#deps.transport.send(to, list);
  }

  #written(write: Write | undefined): void {
    this.#guarded(() => {
      if (write === undefined) return;
      this.#node.written();
      this.#send(write.messages);
    });
    this.#wake();
  }

  #noticeChanges(): void {
    const { role, term, leaderId, configurationAt } = this.#node;
    const state = `${role} ${term} ${leaderId} ${configurationAt.index} ${this.#reader.caughtUp}`;
    if (state === this.#seenState) return;
    this.#seenState = state;
    this.#proposer.tryAgain(this.#forwarder.takeBackUnless(leaderId));
    this.#peers.noteElections(this.#deps.logger);
    for (const listener of this.#listeners) listener();
  }

  #stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stopTicking();
    this.#proposer.drain();
    this.#proposer.clear();
    this.#reader.drain();
    this.#reader.clear("SHUTTING_DOWN");
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#stop();
    this.#deps.logger.error({ err: error }, "the replica cannot go on");
    this.#deps.onFatal(error);
  }
}
