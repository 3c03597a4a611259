import type { MemberId } from "../raft/configuration.ts";
import type { Message } from "../raft/message.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import { randomId, seededRandom } from "../raft/random.ts";
import type { Write } from "../raft/ready.ts";
import type { PeerHello, PeerMessage } from "../transport/peer-transport.ts";
import { Administration } from "./administration.ts";
import { Applier } from "./applier.ts";
import { ChangeDetector } from "./change-detector.ts";
import { Compactor } from "./compactor.ts";
import { DiskWatch } from "./disk-watch.ts";
import { Forwarder } from "./forwarder.ts";
import { groupByReceiver } from "./group-by-receiver.ts";
import { Integrity } from "./integrity.ts";
import { LogReader } from "./log-reader.ts";
import { PeerRegistry } from "./peer-registry.ts";
import { Proposer } from "./proposer.ts";
import { Reader } from "./reader.ts";
import { recoverNode } from "./recover-node.ts";
import type { ReplicaDependencies } from "./replica-dependencies.ts";
import { SnapshotTransfers } from "./snapshot-transfers.ts";
import { SpaceGuard } from "./space-guard.ts";
import { StateOpener } from "./state-opener.ts";
import type { StateView } from "./state-view.ts";
import { StoreWriter } from "./store-writer.ts";
import { Strangers } from "./strangers.ts";

//   gRPC calls --propose, readIndex--> +--------------------------------------------------+
//   peers ------messages-------------> |  one turn:  drain inbox -> RaftNode -> Ready      |
//   clock ------tick-----------------> |     send | one synced write | apply | answer      |
//   store ------written, read--------> +--------------------------------------------------+
//
// Input gathers for the next turn, and what waits to be written gathers while a write is on its way: group commit without
// a timer. Nothing here awaits; a tick and the end of a write or read tell the core at once, and a turn follows.

/** The one loop in which everything of a member happens; {@link Replica} is its door. */
export class ReplicaLoop {
  readonly node: RaftNode;
  readonly applier: Applier;
  readonly writer: StoreWriter;
  readonly disk: DiskWatch;
  readonly peers: PeerRegistry;
  readonly reader: Reader;
  readonly administration: Administration;
  readonly proposer: Proposer;
  readonly compactor: Compactor;
  readonly space: SpaceGuard;
  readonly stateOpener: StateOpener;
  readonly snapshots: SnapshotTransfers;
  readonly integrity: Integrity;
  /** Called after a turn in which role, term, leader, configuration or readiness changed. */
  readonly listeners = new Set<() => void>();
  readonly #deps: ReplicaDependencies;
  readonly #forwarder: Forwarder;
  readonly #logReader: LogReader;
  readonly #changes: ChangeDetector;
  readonly #strangers: Strangers;
  #inbox: PeerMessage[] = [];
  #turnScheduled = false;
  #stopped = false;
  #stopTicking: () => void = () => {};
  #lastTickMs: number;

  constructor(deps: ReplicaDependencies, view: StateView) {
    this.#deps = deps;
    const { store, options, metrics, runtime } = deps;
    const { recovered } = store;
    const random = seededRandom(deps.seed);
    this.node = recoverNode(store, options.raft, random);
    this.#lastTickMs = runtime.now();
    const fail = (error: unknown) => this.fail(error);
    const wake = () => this.wake();
    const shared = { node: this.node, store, view, options, metrics, runtime, fail, wake };
    const written = (write: Write | undefined) => this.#written(write);
    const appliedIndex = () => this.applier.appliedIndex;
    this.writer = new StoreWriter({ ...shared, appliedIndex, written }, recovered.appliedIndex);
    const { writeStallMsMax } = options;
    this.disk = new DiskWatch({ store, writeStallMsMax, standstillMs: 2 * options.raft.heartbeatIntervalMs });
    this.peers = new PeerRegistry({ ...shared, writer: this.writer });
    const inspect = (command: Uint8Array) => deps.stateMachine.inspect(command);
    this.#forwarder = new Forwarder({ ...shared, inspect, firstBatchId: randomId(random) });
    this.space = new SpaceGuard(deps.stateMachine, view, options.quotaBytes);
    const isDiverged = () => this.integrity.isDiverged;
    this.proposer = new Proposer({
      ...shared,
      inspect,
      isDiverged,
      space: this.space,
      transport: deps.transport,
      forwarder: this.#forwarder,
    });
    const { appended: proposals } = this.proposer;
    this.applier = new Applier({ ...shared, stateMachine: deps.stateMachine, proposals }, recovered.appliedIndex);
    this.#logReader = new LogReader(shared);
    this.administration = new Administration(this.node);
    this.#changes = new ChangeDetector(this.node);
    this.#strangers = new Strangers(this.node);
    const { writer, applier } = this;
    const { transport, stateMachine, logger, availableBytes = () => null } = deps;
    const guarded = (part: () => void) => this.guarded(part);
    const parts = { ...shared, transport, stateMachine, logger, random, writer, applier, proposals, guarded };
    this.reader = new Reader({ ...shared, applier, isDiverged });
    const filesInstalled = () => this.integrity.filesInstalled();
    this.snapshots = new SnapshotTransfers({ ...parts, isDiverged, availableBytes, filesInstalled });
    const isInstalling = () => this.snapshots.installing;
    this.integrity = new Integrity({ ...parts, isInstalling, diverged: () => this.#silence() });
    this.compactor = new Compactor({ ...shared, writer, snapshots: this.snapshots, isInstalling });
    this.stateOpener = new StateOpener({ ...shared, writer, isInstalling });
  }

  /** Lets nobody have an answer of a state that is wrong. What is in the log may be applied rightly elsewhere. */
  #silence(): void {
    this.reader.clear("STATE_DIVERGED");
    this.proposer.appended.clear();
  }

  /** Whether the loop has ended, for whatever reason. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Begins to take part in the cluster. Rejects when an address cannot be bound. */
  async start(): Promise<void> {
    const { store, transport, runtime, options } = this.#deps;
    this.#linkPeers();
    await transport.start({
      onMessages: (_from, messages) => this.#receive(messages),
      onHello: (hello) => this.#greet(hello),
      onUnreachable: (peer) => this.#unreachable(peer),
      onSnapshotChunk: (from, request) => this.snapshots.serve(from, request),
    });
    this.#stopTicking = runtime.every(options.tickIntervalMs, () => this.#tick());
    // Also of what the store does by itself: an idle member would go on without a disk until its next write.
    void store.failure.then((error) => this.fail(error));
    this.wake();
  }

  async #greet(hello: PeerHello): Promise<void> {
    const stranger = this.#strangers.isStranger(hello.memberId);
    // The transport refuses who is no peer, and nothing is remembered of it.
    if (stranger && !this.#strangers.mayEnter(hello)) return;
    await this.peers.greet(hello);
    if (!stranger || !this.#strangers.isStranger(hello.memberId)) return;
    this.#deps.logger.info({ peer: hello.memberId, name: hello.name }, "let in a member that is not known yet");
    this.#strangers.letIn(hello);
    this.#linkPeers();
  }

  #receive(messages: readonly PeerMessage[]): void {
    if (this.#stopped) return;
    for (const message of messages) this.#inbox.push(message);
    this.wake();
  }

  #unreachable(peer: MemberId): void {
    if (this.#stopped) return;
    this.guarded(() => {
      this.node.unreachable(peer);
      this.proposer.tryAgain(this.#forwarder.takeBackFrom(peer));
    });
    this.wake();
  }

  #tick(): void {
    const { options, runtime, metrics } = this.#deps;
    const nowMs = runtime.now();
    const lateMs = nowMs - this.#lastTickMs - options.tickIntervalMs;
    if (this.node.role === "leader") metrics.heartbeatDelay(Math.max(0, lateMs) / 1000);
    this.#lastTickMs = nowMs;
    this.guarded(() => {
      this.disk.tick(nowMs);
      // A member whose state is wrong does not lead, like one whose disk will never write again.
      this.node.tick(nowMs, this.integrity.isDiverged ? Number.POSITIVE_INFINITY : this.disk.ageMs);
      this.proposer.tick(nowMs);
      this.reader.tick(nowMs);
      this.writer.flushRows();
      this.space.look();
      this.compactor.tick(nowMs);
      this.stateOpener.tick(nowMs);
      this.snapshots.tick(nowMs);
      this.integrity.tick(nowMs);
    });
    this.wake();
  }

  /** Asks for a turn, soon. */
  wake(): void {
    if (this.#turnScheduled || this.#stopped) return;
    this.#turnScheduled = true;
    this.#deps.runtime.soon(() => {
      this.#turnScheduled = false;
      this.guarded(() => this.#turn());
    });
  }

  /** Runs a part of the loop; whatever it throws means that the state can no longer be trusted. */
  guarded(part: () => void): void {
    if (this.#stopped) return;
    try {
      part();
    } catch (error) {
      this.fail(error);
    }
  }

  #turn(): void {
    this.#drainInbox();
    this.proposer.proposeQueued();
    this.reader.ask();
    this.peers.remember();
    this.snapshots.tryInstall();
    const ready = this.node.ready(!this.writer.busy);
    this.#send(ready.messages);
    if (ready.write !== undefined) this.writer.write(ready.write);
    if (ready.apply !== undefined) this.applier.ask(ready.apply);
    this.integrity.turn();
    for (const read of ready.logReads) this.#logReader.read(read);
    if (ready.fetchSnapshot !== undefined) this.snapshots.announced(ready.fetchSnapshot);
    const applied = this.applier.applySlice() > 0;
    this.reader.serve(ready.reads, applied || this.snapshots.takeInstalled());
    for (const [to, messages] of this.#forwarder.takeAnswers()) this.#deps.transport.send(to, messages);
    this.administration.settle(this.#deps.runtime.now());
    this.#noticeChanges();
    // More to apply, or what applying made possible, needs no further event.
    if (this.applier.hasWork || ready.apply !== undefined) this.wake();
  }

  #drainInbox(): void {
    const inbox = this.#inbox;
    this.#inbox = [];
    const nowMs = this.#deps.runtime.now();
    for (const message of inbox) {
      if (message.type === "ForwardRequest") this.proposer.addForwarded(message, nowMs);
      else if (message.type === "StateHashReport") this.integrity.heard(message);
      else if (message.type === "ForwardResponse") this.proposer.tryAgain(this.#forwarder.answered(message));
      else {
        this.peers.noteAnswer(message, nowMs);
        this.node.step(message, nowMs);
      }
    }
  }

  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    this.peers.noteSent(messages, this.#deps.runtime.now());
    for (const [to, list] of groupByReceiver(messages)) this.#deps.transport.send(to, list);
  }

  #written(write: Write | undefined): void {
    this.guarded(() => {
      if (write === undefined) return;
      this.node.written();
      this.#send(write.messages);
    });
    this.wake();
  }

  /** Tells whoever wants to know that role, leader, configuration or readiness changed. */
  #noticeChanges(): void {
    const { configuration, anything } = this.#changes.look(this.reader.caughtUp);
    if (configuration) this.#strangers.keepLeader(this.peers);
    if (this.#strangers.forget() || configuration) this.#linkPeers();
    if (!anything) return;
    this.proposer.tryAgain(this.#forwarder.takeBackUnless(this.node.leaderId));
    this.peers.noteElections(this.#deps.logger);
    for (const listener of this.listeners) listener();
  }

  /** Links to the members that there are now, as far as this one knows. */
  #linkPeers(): void {
    const peers = [...this.node.reachableMembers, ...this.#strangers.list()].filter(({ id }) => id !== this.node.id);
    this.#deps.transport.setPeers(peers);
  }

  /** Ends the loop for good; what waits ends as unknown or dropped. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stopTicking();
    this.administration.clear();
    this.compactor.clear();
    this.stateOpener.clear();
    this.snapshots.close();
    this.integrity.close();
    this.proposer.drain();
    this.proposer.clear();
    this.reader.drain();
    this.reader.clear("SHUTTING_DOWN");
  }

  /** Stops for good: the state can no longer be trusted, and the process must end. */
  fail(error: unknown): void {
    if (this.#stopped) return;
    this.writer.abandon();
    this.stop();
    this.#deps.logger.error({ err: error }, "the replica cannot go on");
    this.#deps.onFatal(error);
  }
}
