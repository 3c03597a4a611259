import type { MemberId } from "../../src/raft/configuration.ts";
import { decodeMessages } from "../../src/transport/message-decoder.ts";
import { encodeMessages } from "../../src/transport/message-encoder.ts";
import type { PeerMessage } from "../../src/transport/peer-transport.ts";
import { decodeSnapshotChunk, encodeSnapshotChunk } from "../../src/transport/snapshot-codec.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "../../src/transport/snapshot-transfer.ts";
import { type Dice, diceFor } from "./dice.ts";
import type { NetworkPlan } from "./plan.ts";
import type { SimTransport } from "./sim-transport.ts";
import type { World } from "./world.ts";

/** Decides what becomes of messages between members. */
export class SimNetwork {
  /** Whether nothing gets from one member to another. */
  isCut: (from: MemberId, to: MemberId) => boolean = () => false;
  /** Added to every delay of a link, milliseconds. */
  readonly slowLinks = new Map<string, number>();
  /** Told of parts of a snapshot that leave. */
  onTransfer: (from: MemberId, to: MemberId) => void = () => {};
  /** How messages travel; replaced when the faults are over. */
  conditions: NetworkPlan;
  readonly dice: Dice;
  readonly #world: World;
  /** Transports of the living processes. */
  readonly #transports = new Map<MemberId, SimTransport>();

  constructor(world: World) {
    this.#world = world;
    this.conditions = world.plan.network;
    this.dice = diceFor(world.plan.seed, "network");
  }

  find(id: MemberId): SimTransport | undefined {
    const transport = this.#transports.get(id);
    return transport?.process.alive === true ? transport : undefined;
  }

  join(id: MemberId, transport: SimTransport): void {
    this.#transports.set(id, transport);
  }

  leave(id: MemberId, transport: SimTransport): void {
    if (this.#transports.get(id) === transport) this.#transports.delete(id);
  }

  /** How long something takes from one member to another. */
  drawDelayMs(from: MemberId, to: MemberId): number {
    const { delayMs, slowShare, slowMsMax } = this.conditions;
    const slowLinkMs = this.slowLinks.size === 0 ? undefined : this.slowLinks.get(`${from} ${to}`);
    if (slowLinkMs !== undefined) this.#world.coverage.saw("slowLink");
    const tailMs = this.dice.chance(slowShare) ? this.dice.real(0, slowMsMax) : 0;
    return delayMs.min + this.dice.exponential(delayMs.mean) + tailMs + (slowLinkMs ?? 0);
  }

  /** Whether something that leaves now is lost. */
  drawLoss(from: MemberId, to: MemberId): boolean {
    const lost = this.isCut(from, to) || this.dice.chance(this.conditions.dropShare);
    if (lost) this.#world.coverage.saw("messageDropped");
    return lost;
  }

  /** Whether a message arrives twice. What carries a client's command must not: streams do not repeat (peer-transport.ts). */
  drawDuplicate(message: PeerMessage): boolean {
    if (message.type === "ForwardRequest" || !this.dice.chance(this.conditions.duplicateShare)) return false;
    this.#world.coverage.saw("messageDuplicated");
    return true;
  }

  /** The messages as the receiver gets them: now and then encoded and decoded as on the wire. */
  carry(from: MemberId, to: MemberId, messages: readonly PeerMessage[]): readonly PeerMessage[] {
    if (!this.dice.chance(this.conditions.codecShare)) return messages;
    this.#world.coverage.saw("messageThroughCodec");
    return decodeMessages(encodeMessages(messages), { from, to });
  }

  /** A part of a snapshot as the one who asked for it gets it. */
  carryChunk(chunk: SnapshotChunk, request: SnapshotChunkRequest): SnapshotChunk {
    if (!this.dice.chance(this.conditions.codecShare)) return chunk;
    // The leader may want a later snapshot than the one that goes on: only a new one has to stand there.
    return decodeSnapshotChunk(encodeSnapshotChunk(chunk), { ...request, minIndex: 0 });
  }

  /** Everything that is slow or cut is well again. */
  heal(): void {
    this.isCut = () => false;
    this.slowLinks.clear();
  }
}
