import type { MemberId } from "../../src/raft/configuration.ts";
import type { Random } from "../../src/raft/random.ts";
import type { CoreMember, CoreNetwork } from "./core-network.ts";
import type { Coverage } from "./coverage.ts";

/** Does harm, at random times and of random kinds. */
export class Nemesis {
  readonly #network: CoreNetwork;
  readonly #random: Random;
  readonly #coverage: Coverage;
  /** On average. */
  readonly #strikeEveryMs: number;
  #nextMs = 0;
  #ended = false;
  readonly #strikes: readonly (() => void)[] = [
    () => this.#crash(this.#anyone()),
    () => this.#crash(this.#leader()),
    () => {
      for (const member of this.#network.members) this.#crash(member);
    },
    () => this.#network.pause(this.#anyone(), 20 + 300 * this.#random()),
    () => this.#network.pause(this.#leader(), 20 + 300 * this.#random()),
    () => this.#split(),
    () => this.#isolate(this.#leader()),
    () => this.#leaveBehind(this.#anyone()),
    () => this.#leaveBehind(this.#anyone()),
    () => this.#oneWay(this.#leader()),
    () => this.#oneWay(this.#anyone()),
    () => this.#bridge(),
    () => this.#slowDisk(this.#leader()),
    () => this.#slowDisk(this.#anyone()),
    () => this.#heal(),
    () => this.#heal(),
    () => this.#tellUnreachable(),
    () => this.#network.input(this.#anyone(), (node) => node.campaign()),
    () => this.#network.input(this.#anyone(), (node) => node.campaign()),
  ];

  readonly #disturbances: readonly ((member: CoreMember) => void)[] = [
    (member) => this.#soon(() => this.#crash(member)),
    (member) => this.#soon(() => this.#network.input(member, (node) => node.campaign())),
    () => this.#soon(() => this.#crash(this.#leader())),
    () => this.#soon(() => this.#network.input(this.#anyone(), (node) => node.campaign())),
    () => this.#isolate(this.#leader()),
    (member) => this.#network.slowDisks.set(member.id, 100 + 200 * this.#random()),
  ];

  constructor(network: CoreNetwork, random: Random, coverage: Coverage, strikeEveryMs: number) {
    this.#network = network;
    this.#random = random;
    this.#coverage = coverage;
    this.#strikeEveryMs = strikeEveryMs;
  }

  /** Strikes when it is time. */
  maybeStrike(): void {
    const { nowMs } = this.#network.queue;
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#strikeEveryMs * 2 * this.#random();
    this.#pick(this.#strikes)();
  }

  /** Does harm to the snapshot that is on its way to a member or being installed there, or to who has sent it; now and then. */
  disturb(member: CoreMember): void {
    if (!this.#ended && this.#random() < 0.5) this.#pick(this.#disturbances)(member);
  }

  #soon(act: () => void): void {
    this.#network.queue.after(40 * this.#random(), () => {
      if (!this.#ended) act();
    });
  }

  /** Makes good: everything is connected and runs, when the last pause is over. */
  end(): void {
    this.#ended = true;
    this.#heal();
    for (const member of this.#network.members) this.#network.start(member);
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  #anyone(): CoreMember {
    return this.#pick(this.#network.members);
  }

  #leader(): CoreMember {
    return this.#network.members.find(({ node }) => node?.role === "leader") ?? this.#anyone();
  }

  #crash(member: CoreMember): void {
    this.#network.crash(member);
    this.#network.queue.after(200 * this.#random(), () => this.#network.start(member));
  }

  #split(): void {
    const side = new Set(this.#network.members.filter(() => this.#random() < 0.5).map(({ id }) => id));
    this.#network.isCut = (from, to) => side.has(from) !== side.has(to);
  }

  #isolate({ id }: CoreMember): void {
    this.#network.isCut = (from, to) => from === id || to === id;
  }

  /** Cut off for long enough that what it misses may be compacted when it comes back. */
  #leaveBehind(member: CoreMember): void {
    this.#isolate(member);
    this.#network.queue.after(50 + 200 * this.#random(), () => {
      this.#network.isCut = () => false;
    });
  }

  #oneWay({ id }: CoreMember): void {
    const out = this.#random() < 0.5;
    this.#network.isCut = (from, to) => (out ? from : to) === id;
  }

  /** Everybody hears one member, and the others not: a partial partition. */
  #bridge(): void {
    const bridge = this.#anyone().id;
    const [left, right] = [new Set<MemberId>(), new Set<MemberId>()];
    for (const { id } of this.#network.members) (this.#random() < 0.5 ? left : right).add(id);
    this.#network.isCut = (from, to) => from !== bridge && to !== bridge && left.has(from) === right.has(to);
  }

  /** A disk that takes longer than an election: another leader's entries arrive while it still writes. */
  #slowDisk({ id }: CoreMember): void {
    this.#network.slowDisks.set(id, 200 + 400 * this.#random());
    this.#isolate(this.#leader());
    this.#network.queue.after(100 + 200 * this.#random(), () => {
      this.#network.isCut = () => false;
    });
  }

  #heal(): void {
    this.#network.isCut = () => false;
    this.#network.slowDisks.clear();
  }

  #tellUnreachable(): void {
    const leader = this.#leader();
    for (const [peer, progress] of leader.node?.progress ?? []) {
      if (progress.state === "replicate") this.#coverage.saw("unreachableWhileReplicating");
      this.#network.input(leader, (node) => node.unreachable(peer));
      return;
    }
  }
}
