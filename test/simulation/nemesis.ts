import type { MemberId } from "../../src/raft/configuration.ts";
import { type CutKind, drawCut, type IsCut } from "./cuts.ts";
import { type Dice, diceFor } from "./dice.ts";
import { DiskDamage } from "./disk-damage.ts";
import type { CrashPlace } from "./member-process.ts";
import type { ChangeKind, FindLeader, Operator } from "./operator.ts";
import type { SimMember } from "./sim-member.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { Strike, StrikeKind } from "./strike.ts";
import type { World } from "./world.ts";

/** Does the harm that was planned. A new kind is one line here and a weight in strike.ts. */
export class Nemesis {
  readonly #world: World;
  readonly #members: readonly SimMember[];
  readonly #network: SimNetwork;
  readonly #operator: Operator;
  readonly #damage: DiskDamage;
  readonly #unitMs: number;
  readonly #filesDice: Dice;
  /** What to do to the next leader. */
  #hunters: ((leader: SimMember) => void)[] = [];
  /** What to do to the next two of whom one gives rows of a snapshot to the other. */
  #transferHunters: ((sender: SimMember, receiver: SimMember) => void)[] = [];
  #over = false;
  readonly #findLeader: FindLeader = () => this.#leader();
  /** What each kind of strike does. */
  readonly #acts: Readonly<Record<StrikeKind, (dice: Dice) => void>> = {
    crash: (dice) => this.#crash(dice.pick(this.#running), dice),
    crashLeader: (dice) => this.#crash(this.#leaderOrAnyone(dice), dice),
    crashAll: (dice) => {
      this.#world.coverage.saw("clusterCrashed");
      for (const member of this.#running) this.#crash(member, dice);
    },
    crashAtPoint: (dice) => this.#crashAtPoint(this.#target(dice), dice),
    stopOrderly: (dice) => this.#stopOrderly(this.#target(dice), dice),
    pause: (dice) => this.#pause(dice.pick(this.#running), dice),
    pauseLeader: (dice) => this.#pause(this.#leaderOrAnyone(dice), dice),
    split: (dice) => this.#cut("split", dice, this.#target(dice)),
    isolateLeader: (dice) => this.#cut("isolate", dice, this.#leaderOrAnyone(dice)),
    isolateFollower: (dice) => this.#cut("isolate", dice, dice.pick(this.#running)),
    oneWay: (dice) => this.#cut("oneWay", dice, this.#target(dice)),
    bridge: (dice) => this.#cut("bridge", dice, this.#target(dice)),
    buddy: (dice) => this.#cut("buddy", dice, this.#leaderOrAnyone(dice)),
    starveVoters: (dice) => this.#starveVoters(dice),
    heal: () => this.#heal(),
    slowLink: (dice) => this.#slowLink(dice, dice.pick(this.#running)),
    breakStreams: (dice) => {
      const { id } = this.#target(dice);
      this.#tell(id, () => "streams break");
      for (const peer of this.#members) this.#network.find(id)?.breakStream(peer.id);
    },
    stallDisk: (dice) => {
      const { id, disk } = this.#target(dice);
      disk.stalledUntilMs = this.#world.queue.nowMs + dice.real(0.1, 6) * this.#unitMs;
      this.#tell(id, () => `disk stands still until ${disk.stalledUntilMs.toFixed(0)}`);
    },
    slowDisk: (dice) => {
      const { id, disk } = this.#target(dice);
      disk.slowness = dice.real(2, 20);
      this.#world.coverage.saw("slowDisk");
      this.#tell(id, () => `disk is ${disk.slowness.toFixed(0)} times as slow`);
      this.#later(dice.real(1, 5), () => {
        disk.slowness = 1;
      });
    },
    failWrite: (dice) => {
      const { id, disk } = this.#target(dice);
      disk.failNext = 1;
      this.#tell(id, () => "next write is to fail");
    },
    misread: (dice) => {
      const { id, disk } = this.#target(dice);
      disk.misreadNext = dice.whole(1, 3);
      this.#tell(id, () => `next ${disk.misreadNext} reads are to give a flipped bit`);
    },
    fullDisk: (dice) => {
      const { id, disk } = this.#target(dice);
      disk.full = true;
      this.#tell(id, () => "disk is full");
      this.#later(dice.real(0.5, 6), () => {
        disk.full = false;
      });
    },
    hunt: (dice) => this.#hunt(dice),
    jumpWallClock: (dice) => {
      this.#world.coverage.saw("wallClockJumped");
      const { id, machine } = dice.pick(this.#running);
      const jumpMs = dice.real(-60_000, 60_000);
      machine.wallClockOffsetMs += jumpMs;
      this.#tell(id, () => `time of day jumps by ${jumpMs.toFixed(0)}`);
    },
    wipe: (dice) => this.#damage.wipe(dice.pick(this.#running), dice.real(0, 3) * this.#unitMs),
    loseTail: (dice) => this.#loseTail(dice.pick(this.#running), dice),
    rot: (dice) => this.#damage.rot(dice.pick(this.#running), dice, dice.real(0, 3) * this.#unitMs),
    addMember: (dice) => this.#operator.change("addMember", dice, this.#findLeader),
    addLearner: (dice) => this.#operator.change("addLearner", dice, this.#findLeader),
    promote: (dice) => this.#operator.change("promote", dice, this.#findLeader),
    removeMember: (dice) => this.#operator.change("removeMember", dice, this.#findLeader),
    removeLeader: (dice) => this.#operator.change("removeLeader", dice, this.#findLeader),
    replace: (dice) => this.#operator.change("replace", dice, this.#findLeader),
    changeAtOnce: (dice) => {
      const kinds = { addMember: 3, removeMember: 2, removeLeader: 1, replace: 2, promote: 1 } as const;
      for (let count = dice.whole(2, 4); count > 0; count--) {
        this.#operator.change(dice.weighted<ChangeKind>({ addLearner: 0, ...kinds }), dice, this.#findLeader);
      }
    },
    transfer: (dice) => {
      const target = this.#operator.transfer(dice, this.#findLeader);
      // A target that stands still is what a transfer is given up for.
      if (target !== undefined && dice.chance(0.5)) this.#pause(target, dice);
    },
    compact: (dice) => this.#operator.compact(dice, this.#target(dice)),
    huntSnapshot: (dice) => this.#huntSnapshot(dice),
  };

  /** `members` may grow. */
  constructor(world: World, members: readonly SimMember[], network: SimNetwork, operator: Operator) {
    this.#world = world;
    this.#operator = operator;
    this.#damage = new DiskDamage(world, members, operator);
    this.#members = members;
    this.#network = network;
    this.#filesDice = diceFor(world.plan.seed, "home");
    this.#unitMs = world.plan.options.raft.electionTimeoutMs;
    network.onTransfer = (from, to) => this.#transferring(from, to);
    if (world.plan.altersState) this.#alterSomeState();
    for (const strike of world.plan.strikes) {
      world.queue.after(strike.atMs, () => {
        if (!this.#over) this.#run(strike);
      });
    }
  }

  /** Alters the state of some member as soon as the others could do without it. */
  #alterSomeState(): void {
    const dice = diceFor(this.#world.plan.seed, "integrity", 1);
    const tryOnce = (): void => {
      if (!this.#over && !this.#damage.alter(this.#target(dice))) this.#later(0.5, tryOnce);
    };
    this.#later(dice.real(1, 6), tryOnce);
  }

  /** A member has begun to lead. */
  leaderElected(leader: SimMember): void {
    const hunters = this.#hunters;
    this.#hunters = [];
    for (const hunter of hunters) hunter(leader);
  }

  #transferring(from: MemberId, to: MemberId): void {
    const sender = this.#members.find(({ id }) => id === from);
    const receiver = this.#members.find(({ id }) => id === to);
    if (sender === undefined || receiver === undefined) return;
    const hunters = this.#transferHunters;
    this.#transferHunters = [];
    for (const hunter of hunters) hunter(sender, receiver);
    this.#crashAmongFiles(receiver);
  }

  /** Now and then whoever gets a part of files is to crash at one of their steps; in a part of the runs. */
  #crashAmongFiles(receiver: SimMember): void {
    const dice = this.#filesDice;
    if (this.#over || receiver.process?.armed === true || !dice.chance(this.#world.plan.homes.crashShare)) return;
    if (dice.chance(0.3)) this.#crashAtWrite(receiver, dice);
    else this.#crashAtFiles(receiver, dice);
  }

  /** Everything that can be mended is, and every member that can run does. */
  end(): void {
    this.#over = true;
    this.#hunters = [];
    this.#transferHunters = [];
    this.#operator.end();
    this.#network.heal();
    this.#network.conditions = {
      ...this.#network.conditions,
      dropShare: 0,
      duplicateShare: 0,
      slowShare: 0,
      queueMessagesMax: 65_536,
    };
    for (const member of this.#members) {
      member.process?.resume();
      member.process?.disarm();
      Object.assign(member.disk, { full: false, failNext: 0, misreadNext: 0, stalledUntilMs: 0, slowness: 1 });
      member.start();
    }
  }

  /** Those that were not stopped for good. */
  get #running(): readonly SimMember[] {
    return this.#members.filter(({ retired }) => !retired);
  }

  #run(strike: Strike): void {
    const dice = diceFor(this.#world.plan.seed, "strike", strike.number);
    this.#tell("!", () => `strike ${strike.number}: ${strike.kind}`);
    this.#acts[strike.kind](dice);
  }

  /** Anybody, but half of the time the leader, where most can go wrong. */
  #target(dice: Dice): SimMember {
    const anyone = dice.pick(this.#running);
    return dice.chance(0.5) ? (this.#leader() ?? anyone) : anyone;
  }

  #leaderOrAnyone(dice: Dice): SimMember {
    return this.#leader() ?? dice.pick(this.#running);
  }

  #leader(): SimMember | undefined {
    const leaders = this.#members.filter(({ status }) => status?.role === "leader");
    return leaders.reduce<SimMember | undefined>(
      (best, each) => ((each.status?.term ?? 0) > (best?.status?.term ?? 0) ? each : best),
      undefined,
    );
  }

  #crash(member: SimMember, dice: Dice): void {
    member.restartAfter(dice.real(0, 3) * this.#unitMs);
  }

  #crashAtPoint(member: SimMember, dice: Dice): void {
    const place = dice.weighted<Exclude<CrashPlace, "files" | "adoption">>({
      beforeWrite: 3,
      duringWrite: 3,
      afterWrite: 4,
      read: 2,
      send: 4,
      opening: 1,
    });
    const strike = (): void => {
      if (place === "send") this.#world.coverage.saw("crashedAtSend");
      this.#crash(member, dice);
    };
    this.#tell(member.id, () => `is to crash at a place soon: ${place}`);
    if (place !== "opening") {
      member.process?.arm(place, dice.whole(1, place === "read" ? 3 : 12), strike);
      return;
    }
    member.crash();
    this.#later(dice.real(0, 1), () => {
      member.start();
      if (!this.#over) member.process?.arm(place, 1, strike);
    });
  }

  #stopOrderly(member: SimMember, dice: Dice): void {
    if (member.status?.role === "leader") this.#world.coverage.saw("leaderStoppedOrderly");
    const delayMs = dice.real(0, 2) * this.#unitMs;
    this.#tell(member.id, () => "is told to stop");
    member.stopOrderly(dice.real(0, 2) * this.#unitMs, () => member.startAfter(delayMs));
  }

  #pause(member: SimMember, dice: Dice): void {
    this.#world.coverage.saw("paused");
    if (member.status?.role === "leader") this.#world.coverage.saw("leaderPaused");
    const forMs = dice.real(0.1, 5) * this.#unitMs;
    this.#tell(member.id, () => `stands still for ${forMs.toFixed(0)}`);
    member.process?.pause(forMs);
  }

  /** Waits for the next leader and strikes it just after its election, when most is open. */
  #hunt(dice: Dice): void {
    const afterMs = dice.real(0, 0.2) * this.#unitMs;
    const how = dice.weighted({ crash: 3, pause: 2, isolate: 3, oneWay: 2 });
    this.#hunters.push((leader) => {
      this.#world.coverage.saw("hunted");
      this.#world.queue.after(afterMs, () => {
        if (this.#over) return;
        if (how === "crash") this.#crash(leader, dice);
        else if (how === "pause") this.#pause(leader, dice);
        else this.#cut(how, dice, leader);
      });
    });
  }

  /** Waits for the next rows of a snapshot and strikes sender, receiver or leader while they are on their way, or soon after. */
  #huntSnapshot(dice: Dice): void {
    const afterMs = dice.pick([0, dice.real(0, 0.1), dice.real(0, 1)]) * this.#unitMs;
    const how = dice.weighted({
      receiver: 4,
      receiverAtWrite: 4,
      receiverAtFiles: 3,
      sender: 3,
      leader: 2,
      cut: 2,
      pause: 1,
    });
    this.#transferHunters.push((sender, receiver) => {
      this.#world.coverage.saw("snapshotHunted");
      this.#world.queue.after(afterMs, () => {
        if (this.#over) return;
        if (how === "receiver") this.#crash(receiver, dice);
        else if (how === "receiverAtWrite") this.#crashAtWrite(receiver, dice);
        else if (how === "receiverAtFiles") this.#crashAtFiles(receiver, dice);
        else if (how === "sender") this.#crash(sender, dice);
        else if (how === "leader") this.#cut("isolate", dice, this.#leaderOrAnyone(dice));
        else if (how === "cut") this.#cut("isolate", dice, receiver);
        else this.#pause(dice.pick([sender, receiver]), dice);
      });
    });
  }

  #crashAtWrite(member: SimMember, dice: Dice): void {
    const place = dice.pick(["beforeWrite", "duringWrite", "afterWrite"] as const);
    member.process?.arm(place, dice.whole(1, 8), () => this.#crash(member, dice));
  }

  /** At a step of files that take the place of the receiver's own. */
  #crashAtFiles(member: SimMember, dice: Dice): void {
    const place = dice.pick(["files", "adoption"] as const);
    member.process?.arm(place, dice.whole(1, 9), () => this.#crash(member, dice));
  }

  #cut(kind: CutKind, dice: Dice, { id }: SimMember): void {
    if (kind === "split" || kind === "isolate") this.#world.coverage.saw("totalCut");
    if (kind === "oneWay") this.#world.coverage.saw("oneWayCut");
    if (kind === "bridge" || kind === "buddy") this.#world.coverage.saw("partialCut");
    const isCut = drawCut(kind, dice, id, this.#running);
    this.#cutLinks(isCut);
    this.#later(dice.real(0.5, 8), () => {
      if (this.#network.isCut === isCut) this.#heal();
    });
  }

  /**
   * Half of the others do not hear the leader, so that they ask for votes again and again. Then nobody hears it any more, and
   * some of those that did start anew: whoever votes too early elects another leader at once.
   */
  #starveVoters(dice: Dice): void {
    const { id } = this.#leaderOrAnyone(dice);
    const others = this.#running.filter((member) => member.id !== id);
    const starved = new Set(others.filter((_, position) => position % 2 === 0).map((member) => member.id));
    const starves = (from: MemberId, to: MemberId): boolean =>
      (from === id && starved.has(to)) || (to === id && starved.has(from));
    this.#cutLinks(starves);
    this.#later(dice.real(1, 2.5), () => {
      if (this.#network.isCut !== starves) return;
      this.#world.coverage.saw("votersStarved");
      const isolates = (from: MemberId, to: MemberId): boolean => from === id || to === id;
      this.#cutLinks(isolates);
      for (const member of others) {
        if (!starved.has(member.id) && dice.chance(0.5)) member.restartAfter(dice.real(0, 5));
      }
      this.#later(dice.real(1, 3), () => {
        if (this.#network.isCut === isolates) this.#heal();
      });
    });
  }

  #loseTail(member: SimMember, dice: Dice): void {
    const image = member.disk.image();
    this.#later(dice.real(0.2, 4), () => {
      if (!this.#over) this.#damage.loseTail(member, image, dice.real(0, 3) * this.#unitMs);
    });
  }

  #slowLink(dice: Dice, { id }: SimMember): void {
    const peer = dice.pick(this.#running).id;
    const link = `${id} ${peer}`;
    const byMs = dice.real(0.1, 2) * this.#unitMs;
    this.#network.slowLinks.set(link, byMs);
    this.#tell(id, () => `link to ${peer} is slower by ${byMs.toFixed(0)}`);
    this.#later(dice.real(1, 8), () => this.#network.slowLinks.delete(link));
  }

  #cutLinks(isCut: IsCut): void {
    this.#network.isCut = isCut;
    this.#tell("!", () => {
      const ids = this.#running.map(({ id }) => id);
      const cut = ids.flatMap((from) =>
        ids.filter((to) => to !== from && isCut(from, to)).map((to) => `${from}->${to}`),
      );
      return `cut: ${cut.join(" ") || "nothing"}`;
    });
  }

  #heal(): void {
    this.#tell("!", () => "links heal");
    this.#network.heal();
  }

  #tell(subject: string, what: () => string): void {
    this.#world.trace.note(subject, what);
  }

  #later(units: number, part: () => void): void {
    this.#world.queue.after(units * this.#unitMs, part);
  }
}
