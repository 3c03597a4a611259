import { RaftKvError } from "../../src/lib/errors.ts";
import type { ConfigurationMember, MemberId } from "../../src/raft/configuration.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import { checkHello } from "../../src/transport/hello-check.ts";
import { type LinkCounters, newLinkCounters } from "../../src/transport/link-stats.ts";
import { decodeHello } from "../../src/transport/message-decoder.ts";
import { encodeHello } from "../../src/transport/message-encoder.ts";
import type {
  PeerLinkStats,
  PeerMessage,
  PeerTransport,
  PeerTransportHandlers,
} from "../../src/transport/peer-transport.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "../../src/transport/snapshot-transfer.ts";
import { protocolVersion, type TransportIdentity } from "../../src/transport/transport-options.ts";
import { describeMessage } from "./describe-message.ts";
import type { MemberProcess } from "./member-process.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { World } from "./world.ts";

/** One stream to a peer, from its accepted hello until it breaks. */
interface Stream {
  readonly target: SimTransport;
  /** Messages under way. */
  underWay: number;
  /** Frames that have left, and the number of the latest of those that have arrived. */
  left: number;
  arrived: number;
  /** Nothing that was sent later arrives earlier, while streams are orderly. */
  lastArrivalMs: number;
  broken: boolean;
}

/** The way to one peer. */
interface Link {
  readonly counters: LinkCounters;
  stream: Stream | undefined;
  /** Of messages lost while there is no stream, only the first loss is reported. */
  lossReported: boolean;
}

/** A request for a part of a snapshot, and how to end it, once. */
interface Fetch {
  readonly request: SnapshotChunkRequest;
  readonly resolve: (chunk: SnapshotChunk) => void;
  readonly reject: (error: Error) => void;
  readonly endAfter: (delayMs: number, settle: () => void) => void;
}

/** When a request for a part of a snapshot counts as lost. */
const fetchTimeoutMs = 2000;

/** What watches what leaves a process. */
export interface TransportObserver {
  readonly released: (messages: readonly PeerMessage[]) => void;
  /** A part of a snapshot that stands there. */
  readonly serves: (base: LogBase) => void;
}

/** One process's end of the simulated network. */
export class SimTransport implements PeerTransport {
  readonly process: MemberProcess;
  readonly identity: TransportIdentity;
  readonly #world: World;
  readonly #network: SimNetwork;
  readonly #observer: TransportObserver;
  readonly #links = new Map<MemberId, Link>();
  #handlers: PeerTransportHandlers | undefined;
  #closed = false;

  constructor(
    world: World,
    network: SimNetwork,
    process: MemberProcess,
    identity: TransportIdentity,
    observer: TransportObserver,
  ) {
    this.#world = world;
    this.#network = network;
    this.process = process;
    this.identity = identity;
    this.#observer = observer;
  }

  async start(handlers: PeerTransportHandlers): Promise<void> {
    this.#handlers = handlers;
    this.#network.join(this.identity.memberId, this);
    for (const id of this.#links.keys()) this.#connectAfter(id, 0);
  }

  setPeers(peers: readonly ConfigurationMember[]): void {
    const wanted = new Set(peers.map(({ id }) => id));
    // What is under way still arrives: links are closed in good order.
    for (const id of this.#links.keys()) if (!wanted.has(id)) this.#links.delete(id);
    for (const id of wanted) {
      if (this.#links.has(id)) continue;
      this.#links.set(id, { counters: newLinkCounters(), stream: undefined, lossReported: false });
      if (this.#handlers !== undefined) this.#connectAfter(id, 0);
    }
  }

  send(to: MemberId, messages: readonly PeerMessage[]): void {
    if (messages.length === 0 || !this.process.pass("send") || this.#closed) return;
    this.#observer.released(messages);
    const link = this.#links.get(to);
    if (link === undefined) return;
    const { stream } = link;
    for (const message of messages) {
      this.#world.trace.note(this.identity.memberId, () => `${stream ? "->" : "-|"} ${to} ${describeMessage(message)}`);
    }
    if (stream === undefined) {
      link.counters.sendFailures += messages.length;
      if (!link.lossReported) this.#report(to);
      link.lossReported = true;
    } else if (stream.underWay + messages.length > this.#network.conditions.queueMessagesMax) {
      this.#world.coverage.saw("queueOverflowed");
      this.#report(to);
    } else if (this.#network.conditions.orderly) {
      this.#sendInOrder(to, stream, messages);
    } else {
      for (const message of messages) this.#sendAlone(to, stream, message);
    }
  }

  fetchSnapshotChunk(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    this.#world.touch();
    return new Promise((resolve, reject) => {
      let ended = false;
      const endAfter = (delayMs: number, settle: () => void): void =>
        this.#later(delayMs, () => {
          if (ended) return;
          ended = true;
          this.#world.touch();
          settle();
        });
      const lose = (why: string) => () => reject(new RaftKvError("PEER_UNREACHABLE", why));
      if (!this.#links.has(from)) {
        endAfter(0, lose("no peer"));
        return;
      }
      endAfter(fetchTimeoutMs, lose("no answer"));
      const { memberId } = this.identity;
      if (!this.process.pass("send") || this.#network.drawLoss(memberId, from)) return;
      this.#world.trace.note(memberId, () => `=> ${from} rows? ${request.snapshotId} min ${request.minIndex}`);
      this.#world.queue.after(this.#network.drawDelayMs(memberId, from), () => {
        const target = this.#network.find(from);
        if (target === undefined) endAfter(this.#network.drawDelayMs(from, memberId), lose("nobody listens"));
        else
          target.#answerFetch(this, request, (answer) =>
            this.#fetched(target, answer, { request, resolve, reject, endAfter }),
          );
      });
    });
  }

  #fetched(from: SimTransport, answer: SnapshotChunk | Error, call: Fetch): void {
    const sender = from.identity.memberId;
    const { memberId } = this.identity;
    if (this.#network.drawLoss(sender, memberId)) return;
    call.endAfter(this.#network.drawDelayMs(sender, memberId), () => {
      if (answer instanceof Error) call.reject(answer);
      else call.resolve(this.#network.carryChunk(answer, call.request));
    });
  }

  /** Answers a request for a part of a snapshot; never when this process dies meanwhile. */
  #answerFetch(from: SimTransport, request: SnapshotChunkRequest, answer: (what: SnapshotChunk | Error) => void): void {
    const refuse = (why: unknown) => answer(new RaftKvError("PEER_UNREACHABLE", String(why)));
    this.#greeted(from, (accepted) =>
      this.#later(0, () => {
        const handlers = this.#handlers;
        if (handlers === undefined || !accepted || this.#closed) {
          refuse("not heard");
          return;
        }
        this.process.openCalls++;
        const ended = (tell: () => void): void => {
          this.process.openCalls--;
          if (this.process.alive) tell();
        };
        this.#world.touch();
        handlers.onSnapshotChunk(from.identity.memberId, request).then(
          (chunk) =>
            ended(() => {
              this.#served(chunk, from.identity.memberId);
              answer(chunk);
            }),
          (error: unknown) =>
            ended(() => {
              if (error instanceof RaftKvError && error.code === "SNAPSHOT_GONE") {
                this.#world.coverage.saw("snapshotGone");
                answer(error);
              } else refuse(error);
            }),
        );
      }),
    );
  }

  #served({ base, snapshotId, part, done }: SnapshotChunk, to: MemberId): void {
    const { memberId } = this.identity;
    const what = () => (part.type === "rows" ? `${part.rows.length} rows` : `${part.data.length} bytes of files`);
    this.#world.trace.note(memberId, () => `=> ${to} ${what()}${done ? ", the last" : ""} of ${snapshotId}`);
    this.#observer.serves(base);
    this.#network.onTransfer(memberId, to);
  }

  stats(): ReadonlyMap<MemberId, PeerLinkStats> {
    return new Map([...this.#links].map(([id, { counters }]) => [id, { ...counters }]));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#network.leave(this.identity.memberId, this);
  }

  /** Breaks the stream to a peer: what is under way on it is lost. */
  breakStream(to: MemberId): void {
    const link = this.#links.get(to);
    if (link?.stream === undefined) return;
    this.#world.coverage.saw("streamBroken");
    link.stream.broken = true;
    link.stream = undefined;
    link.counters.connected = false;
    link.counters.disconnects++;
    link.lossReported = false;
    this.#report(to);
    this.#connectAfter(to, this.#network.dice.real(1, 60));
  }

  /** The other end of a stream is gone. */
  #ended(to: MemberId, stream: Stream): void {
    if (this.#links.get(to)?.stream === stream) this.breakStream(to);
  }

  #sendInOrder(to: MemberId, stream: Stream, messages: readonly PeerMessage[]): void {
    const { memberId } = this.identity;
    if (this.#network.drawLoss(memberId, to)) {
      for (const message of messages) this.#tellLost(to, message);
      // Lost bytes are sent again, until the connection counts as dead: then all that followed them is lost.
      const { keepaliveMs } = this.#network.conditions;
      stream.lastArrivalMs = Number.POSITIVE_INFINITY;
      this.#later(keepaliveMs, () => this.#ended(to, stream));
      return;
    }
    if (stream.lastArrivalMs === Number.POSITIVE_INFINITY) return;
    const { nowMs } = this.#world.queue;
    stream.lastArrivalMs = Math.max(stream.lastArrivalMs, nowMs + this.#network.drawDelayMs(memberId, to));
    this.#arriveAfter(to, stream, messages, stream.lastArrivalMs - nowMs);
  }

  #sendAlone(to: MemberId, stream: Stream, message: PeerMessage): void {
    const { memberId } = this.identity;
    for (let copies = this.#network.drawDuplicate(message) ? 2 : 1; copies > 0; copies--) {
      if (this.#network.drawLoss(memberId, to)) {
        this.#tellLost(to, message);
        continue;
      }
      this.#arriveAfter(to, stream, [message], this.#network.drawDelayMs(memberId, to));
    }
  }

  #tellLost(to: MemberId, message: PeerMessage): void {
    this.#world.trace.note(this.identity.memberId, () => `-x ${to} ${describeMessage(message)}`);
  }

  #arriveAfter(to: MemberId, stream: Stream, messages: readonly PeerMessage[], delayMs: number): void {
    const { memberId } = this.identity;
    const carried = this.#network.carry(memberId, to, messages);
    stream.underWay += messages.length;
    const number = ++stream.left;
    this.#world.queue.after(delayMs, () => {
      stream.underWay -= messages.length;
      if (stream.broken || this.#network.isCut(memberId, to)) return;
      // Who is no peer any more has its stream ended, as one of a dead process ends.
      if (!stream.target.process.alive || stream.target.#closed || !stream.target.#links.has(memberId)) {
        this.#later(this.#network.drawDelayMs(to, memberId), () => this.#ended(to, stream));
        return;
      }
      if (number < stream.arrived) this.#world.coverage.saw("messageReordered");
      stream.arrived = Math.max(stream.arrived, number);
      stream.target.#receive(memberId, carried);
    });
  }

  #receive(from: MemberId, messages: readonly PeerMessage[]): void {
    this.process.run(() => {
      for (const message of messages) {
        this.#world.trace.note(this.identity.memberId, () => `<- ${from} ${describeMessage(message)}`);
      }
      this.#handlers?.onMessages(from, messages, 0);
      this.process.heard(from, messages);
    });
  }

  #connectAfter(to: MemberId, delayMs: number): void {
    this.#later(delayMs, () => this.#connect(to));
  }

  /** Introduces itself to a peer; tries again when nobody answers, and later when it is refused. */
  #connect(to: MemberId): void {
    const link = this.#links.get(to);
    if (link === undefined || link.stream !== undefined || this.#closed) return;
    const { memberId } = this.identity;
    const target = this.#network.find(to);
    const lost = this.#network.isCut(memberId, to) || this.#network.isCut(to, memberId);
    if (target === undefined || lost) {
      this.#connectAfter(to, this.#network.dice.real(5, 60));
      return;
    }
    this.#world.queue.after(this.#network.drawDelayMs(memberId, to), () =>
      target.#greeted(this, (accepted) =>
        this.#later(this.#network.drawDelayMs(to, memberId), () => this.#answered(to, link, target, accepted)),
      ),
    );
    // An answer may never come: the peer may crash, or wait for its disk.
    this.#connectAfter(to, 400);
  }

  #answered(to: MemberId, link: Link, target: SimTransport, accepted: boolean): void {
    if (link.stream !== undefined || this.#closed || !accepted) return;
    if (this.#network.isCut(this.identity.memberId, to)) return;
    link.stream = { target, underWay: 0, left: 0, arrived: 0, lastArrivalMs: 0, broken: false };
    link.lossReported = false;
    link.counters.connected = true;
  }

  #greeted(from: SimTransport, answer: (accepted: boolean) => void): void {
    this.process.run(() => {
      const { memberId, name, dataDirectoryId, clientAddress, clusterId, peerAddress = "" } = from.identity;
      const ends = { fromMemberId: memberId, toMemberId: this.identity.memberId };
      const hello = { clusterId, ...ends, dataDirectoryId, protocolVersion, name, clientAddress, peerAddress };
      const heard = decodeHello(encodeHello(hello));
      const mismatch = checkHello(heard, this.identity);
      const handlers = this.#handlers;
      if (handlers === undefined || mismatch !== undefined || this.#closed) return;
      this.#world.touch();
      this.process.openCalls++;
      const ended = (accepted: boolean): void => {
        this.process.openCalls--;
        if (this.process.alive) answer(accepted);
      };
      handlers.onHello({ ...heard, memberId: heard.fromMemberId }).then(
        // Whoever is no peer then is refused, as a stranger.
        () => ended(this.#links.has(heard.fromMemberId)),
        () => {
          this.#world.coverage.saw("wipedPeerRefused");
          ended(false);
        },
      );
    });
  }

  #report(peer: MemberId): void {
    this.#later(0, () => {
      if (!this.#closed) this.#handlers?.onUnreachable(peer);
    });
  }

  #later(delayMs: number, part: () => void): void {
    this.#world.queue.after(delayMs, () => this.process.run(part));
  }
}
