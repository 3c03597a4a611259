import type { MemberId } from "../../src/raft/configuration.ts";
import type { Index } from "../../src/raft/entry.ts";
import type { Runtime } from "../../src/replica/runtime.ts";
import type { PeerMessage } from "../../src/transport/peer-transport.ts";
import { Contacts } from "./contacts.ts";
import { type Dice, diceFor } from "./dice.ts";
import type { World } from "./world.ts";

/** Places at which a process may be made to crash: around every storage call, and wherever it would be heard of. */
export type CrashPlace =
  | "beforeWrite"
  | "duringWrite"
  | "afterWrite"
  | "read"
  | "send"
  | "opening"
  // Around the steps of files that come, and of files that take the place of those in use.
  | "files"
  | "adoption";

/** What a process cannot lose by dying: who it is, and how its machine's clock runs. */
export interface Machine {
  readonly id: MemberId;
  readonly number: number;
  /** How fast its monotonic clock runs; 1 is right. */
  readonly rate: number;
  /** Added to the right time of day, milliseconds. */
  wallClockOffsetMs: number;
}

const wallClockStartMs = 1_700_000_000_000;

/** One life of a member's process: its events, its clock, and whether they still run. */
export class MemberProcess {
  readonly machine: Machine;
  readonly incarnation: number;
  readonly dice: Dice;
  readonly contacts = new Contacts();
  /** What any client knew to be applied when the process began. */
  readonly acknowledgedAtStart: Index;
  /** Calls of the replica that have not ended and that it may end in any of its events. */
  openCalls = 0;
  /** Set by a write that failed: the process has a reason to end. */
  writeFailed = false;
  /** Set by a read that gave a flipped bit: the process has a reason to end. */
  misread = false;
  /** Set by a batch that failed: nothing may leave the process any more. */
  silenced = false;
  readonly #world: World;
  #alive = true;
  #pausedUntilMs = 0;
  #lastSoonMs = 0;
  #turns = 0;
  #armed: { readonly place: CrashPlace; left: number; readonly strike: () => void } | undefined;

  constructor(world: World, machine: Machine, incarnation: number, acknowledgedAtStart: Index) {
    this.#world = world;
    this.machine = machine;
    this.incarnation = incarnation;
    this.acknowledgedAtStart = acknowledgedAtStart;
    this.dice = diceFor(world.plan.seed, "process", machine.number * 1000 + incarnation);
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#pausedUntilMs > this.#world.queue.nowMs;
  }

  get runtime(): Runtime {
    const { machine } = this;
    return {
      now: () => this.nowMs,
      wallClockMs: () => Math.floor(wallClockStartMs + machine.wallClockOffsetMs + this.#world.queue.nowMs),
      soon: (callback) => this.#soon(callback),
      every: (intervalMs, callback) => this.#every(intervalMs, callback),
    };
  }

  /** Its monotonic clock. */
  get nowMs(): number {
    return this.#world.queue.nowMs * this.machine.rate + 1000 * this.machine.number;
  }

  /** Runs `part` as an event of this process: never when it is dead, later when it is paused. */
  run(part: () => void): void {
    if (!this.#alive) return;
    const { queue } = this.#world;
    if (this.#pausedUntilMs > queue.nowMs) {
      queue.after(this.#pausedUntilMs - queue.nowMs, () => this.run(part));
      return;
    }
    part();
    this.#world.acted(this);
  }

  /** Runs `part` after a delay on this machine's clock; returns how to call it off. */
  after(delayMs: number, part: () => void): () => void {
    let wanted = true;
    this.#world.queue.after(delayMs / this.machine.rate, () => {
      if (wanted) this.run(part);
    });
    return () => {
      wanted = false;
    };
  }

  /** The process does not run for a while; its clock does. */
  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#world.queue.nowMs + forMs);
  }

  /** Runs on at once. */
  resume(): void {
    this.#pausedUntilMs = 0;
  }

  /** Ends the process: none of its events runs any more, and nothing that it still does is heard of. */
  die(): void {
    this.#alive = false;
  }

  /** Lets it crash at the `count`-th time that it comes by `place`. */
  arm(place: CrashPlace, count: number, strike: () => void): void {
    this.#armed = { place, left: count, strike };
  }

  /** Whether it is to crash at some place. */
  get armed(): boolean {
    return this.#armed !== undefined;
  }

  /** It will not be made to crash any more. */
  disarm(): void {
    this.#armed = undefined;
  }

  /** The process comes by a place at which it may crash; whether it lives on. */
  pass(place: CrashPlace): boolean {
    const armed = this.#armed;
    if (this.#alive && armed?.place === place && --armed.left <= 0) {
      this.#armed = undefined;
      armed.strike();
    }
    return this.#alive;
  }

  /** Takes note of messages once the process has them. */
  heard(from: MemberId, messages: readonly PeerMessage[]): void {
    this.contacts.heard(from, messages, this.nowMs, this.#turns);
  }

  #soon(callback: () => void): void {
    const { queue, plan } = this.#world;
    const turn = ++this.#turns;
    const atMs = Math.max(this.#lastSoonMs, queue.nowMs + this.dice.real(0, plan.turnDelayMsMax));
    this.#lastSoonMs = atMs;
    queue.after(atMs - queue.nowMs, () =>
      this.run(() => {
        this.contacts.turn(turn, this.nowMs);
        callback();
      }),
    );
  }

  #every(intervalMs: number, callback: () => void): () => void {
    let stopped = false;
    const again = (): void => {
      this.after(intervalMs, () => {
        if (stopped) return;
        again();
        callback();
      });
    };
    again();
    return () => {
      stopped = true;
    };
  }
}
