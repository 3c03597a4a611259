import type { ServerReadableStream, sendUnaryData } from "@grpc/grpc-js";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { HelloMismatch } from "./hello-check.ts";
import { IncomingStream } from "./incoming-stream.ts";
import { introducePeer } from "./introduce-peer.ts";
import type { LinkCounters } from "./link-stats.ts";
import { decodeHello, decodeMessages } from "./message-decoder.ts";
import type { WireHello } from "./message-encoder.ts";
import type { PeerMessage, PeerTransportHandlers } from "./peer-transport.ts";
import type { RefusalReason } from "./refusal.ts";
import type { TransportIdentity, TransportLimits } from "./transport-options.ts";

/** What the service needs of its transport. */
export interface DeliverServiceContext {
  readonly identity: TransportIdentity;
  readonly limits: TransportLimits;
  readonly logger: Logger;
  readonly handlers: PeerTransportHandlers;
  /** Counters of a peer; `undefined` when there is no such peer. */
  counters(peer: MemberId): LinkCounters | undefined;
  /** A peer was accepted, so it can probably be reached too. */
  onAccepted(peer: MemberId): void;
}

/** No member's id. */
const strangers = "";

/** An incoming stream and how far it got. */
interface Session {
  readonly stream: IncomingStream;
  /** Later streams have higher numbers. */
  readonly arrival: number;
  readonly handshakeTimer: NodeJS.Timeout;
  state: "silent" | "introduced" | "accepted";
  /** Empty until the hello told. */
  peer: MemberId;
}

/**
 * The receiving side of `RaftService.Deliver`:
 *
 *   stream -> hello -> checks -> onHello -> accepted (response headers) -> frames -> onMessages
 *
 * Nothing is delivered, and nothing read ahead, before the acceptance: a sender that does not wait for it is refused.
 * Each peer has at most one accepted stream, the latest to arrive.
 */
export class DeliverService {
  readonly #context: DeliverServiceContext;
  readonly #pending = new Set<Session>();
  readonly #accepted = new Map<MemberId, Session>();
  #arrivals = 0;
  #closed = false;
  /** What was last logged of each peer, and under {@link strangers} of everyone else. */
  readonly #loggedRefusals = new Map<MemberId, string>();

  constructor(context: DeliverServiceContext) {
    this.#context = context;
  }

  /** Handler of the call; never throws. */
  readonly deliver = (call: ServerReadableStream<Buffer, Buffer>, respond: sendUnaryData<Buffer>): void => {
    const { handshakeTimeoutMs, pendingStreamsMax } = this.#context.limits;
    const session: Session = {
      stream: new IncomingStream(call, respond, {
        onFrame: (frame) => this.#onFrame(session, frame),
        onOver: () => this.#forget(session),
      }),
      arrival: ++this.#arrivals,
      handshakeTimer: setTimeout(
        () => this.#refuse(session, "HANDSHAKE_TIMEOUT", `no accepted hello within ${handshakeTimeoutMs} ms`),
        handshakeTimeoutMs,
      ),
      state: "silent",
      peer: "",
    };
    this.#pending.add(session);
    if (this.#closed) this.#refuse(session, "SHUTTING_DOWN", "this member is shutting down");
    else if (this.#pending.size > pendingStreamsMax) {
      this.#refuse(session, "TOO_MANY_STREAMS", `more than ${pendingStreamsMax} streams wait to be accepted`);
    }
  };

  /** Ends the stream of a member that is no peer any more. */
  removePeer(peer: MemberId): void {
    this.#loggedRefusals.delete(peer);
    const session = this.#accepted.get(peer);
    if (session !== undefined)
      this.#refuse(session, "UNKNOWN_MEMBER", `member ${peer} is no peer of this member any more`);
  }

  /** Ends every stream and refuses new ones. */
  close(): void {
    this.#closed = true;
    for (const session of [...this.#pending, ...this.#accepted.values()]) {
      session.stream.refuse("SHUTTING_DOWN", "this member is shutting down");
    }
  }

  #onFrame(session: Session, frame: Uint8Array): void {
    if (session.state === "accepted") this.#onMessages(session, frame);
    else if (session.state === "silent") void this.#onHello(session, frame);
    else this.#refuse(session, "MALFORMED_FRAME", "a frame came before the hello was acknowledged");
  }

  async #onHello(session: Session, frame: Uint8Array): Promise<void> {
    session.state = "introduced";
    const mismatch = await this.#introduce(session, frame);
    if (session.stream.isOver) return;
    if (mismatch === undefined) this.#accept(session);
    else this.#refuse(session, mismatch.reason, mismatch.message);
  }

  /** Why the peer is not to be accepted; `undefined` when it is. */
  #introduce(session: Session, frame: Uint8Array): HelloMismatch | Promise<HelloMismatch | undefined> {
    const { identity, handlers } = this.#context;
    let hello: WireHello;
    try {
      hello = decodeHello(frame);
    } catch (error) {
      return { reason: "HELLO_MISSING", message: error instanceof Error ? error.message : String(error) };
    }
    session.peer = hello.fromMemberId;
    return introducePeer(hello, { identity, handlers, isPeer: (id) => this.#isPeer(id) });
  }

  #isPeer(id: MemberId): boolean {
    return this.#context.counters(id) !== undefined;
  }

  #accept(session: Session): void {
    const { peer } = session;
    const other = this.#accepted.get(peer);
    if (other !== undefined) {
      const older = other.arrival < session.arrival ? other : session;
      older.stream.refuse("REPLACED", `a newer stream of member ${peer} took the place of this one`);
      if (older === session) return;
    }
    clearTimeout(session.handshakeTimer);
    this.#pending.delete(session);
    this.#accepted.set(peer, session);
    session.state = "accepted";
    this.#loggedRefusals.delete(peer);
    this.#loggedRefusals.delete(strangers);
    session.stream.accept();
    this.#context.onAccepted(peer);
  }

  #onMessages(session: Session, frame: Uint8Array): void {
    const { identity, handlers } = this.#context;
    const from = session.peer;
    let messages: PeerMessage[];
    try {
      messages = decodeMessages(frame, { from, to: identity.memberId });
    } catch (error) {
      if (!(error instanceof RaftKvError)) throw error;
      this.#refuse(session, "MALFORMED_FRAME", error.message);
      return;
    }
    const counters = this.#context.counters(from);
    if (counters !== undefined) {
      counters.receivedBytes += frame.length;
      counters.receivedMessages += messages.length;
    }
    handlers.onMessages(from, messages, frame.length);
  }

  #refuse(session: Session, reason: RefusalReason, message: string): void {
    const { stream, peer } = session;
    if (stream.isOver) return;
    const refusal = `${peer} ${reason} ${message}`;
    const key = this.#isPeer(peer) ? peer : strangers;
    // Refused peers come back every second, several of them in turn; the log tells of each change once.
    if (refusal !== this.#loggedRefusals.get(key)) {
      this.#context.logger.warn(
        { peer, remoteAddress: stream.remoteAddress, reason, error: message },
        "stream refused",
      );
    }
    this.#loggedRefusals.set(key, refusal);
    stream.refuse(reason, message);
  }

  #forget(session: Session): void {
    clearTimeout(session.handshakeTimer);
    this.#pending.delete(session);
    if (this.#accepted.get(session.peer) === session) this.#accepted.delete(session.peer);
  }
}
