import { type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import type { MembershipTarget } from "../../src/raft/configuration-change.ts";
import type { Entry } from "../../src/raft/entry.ts";
import type { Message } from "../../src/raft/message.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import { describeMessage, nameOfMessage } from "./describe-message.ts";
import { emptyImage } from "./durable-image.ts";
import { changesOf, lookAt } from "./member-changes.ts";
import { type Input, SteppedMember } from "./stepped-member.ts";
import { newcomer } from "./test-member.ts";

/** A way that messages go; `null` stands for anybody. */
export interface Route {
  readonly from: MemberId | null;
  readonly to: MemberId | null;
}

interface Place {
  readonly member: SteppedMember;
  /** Writes wait until they are told to end. */
  isSlow: boolean;
  isDown: boolean;
  /** Whether the write under way at the crash became durable. */
  writeSurvives: boolean;
}

/** Members that do nothing unless a script says so; every method gives the lines that tell what came of it. */
export class ScenarioCluster {
  readonly #raft: RaftOptions;
  readonly #places = new Map<MemberId, Place>();
  /** On their way, oldest first. */
  #messages: Message[] = [];
  #cuts: Route[] = [];
  #holds: Route[] = [];

  /** `logs`: the entries that each voter starts with. */
  constructor(logs: ReadonlyMap<MemberId, readonly Entry[]>, raft: RaftOptions) {
    this.#raft = raft;
    const configuration = votersOnly([...logs.keys()].map((id) => ({ id, name: id, peerAddress: id })));
    for (const [id, entries] of logs) {
      const hardState = { term: entries.at(-1)?.term ?? 0, votedFor: null, commitIndex: 0 };
      const image = { ...emptyImage(), hardState, entries: [...entries] };
      this.#add(new SteppedMember({ id, configuration, raft, image, appliesAtOnce: true }));
    }
  }

  get ids(): MemberId[] {
    return [...this.#places.keys()];
  }

  /** A member with an empty disk, in no configuration yet. */
  join(id: MemberId): string[] {
    const options = { id, configuration: newcomer, raft: this.#raft, image: emptyImage(), appliesAtOnce: true };
    this.#add(new SteppedMember(options));
    return [];
  }

  /** Gives a member an input. */
  give(id: MemberId, ...inputs: readonly Input[]): string[] {
    const place = this.#place(id);
    if (place.isDown) return [`${id} is down`];
    const { member } = place;
    const before = lookAt(member);
    const outcomes = inputs.map((input) => member.take(input));
    while (member.writing !== null && !place.isSlow) outcomes.push(member.take({ type: "written" }));
    const sent = outcomes.flatMap(({ messages }) => messages);
    return [...changesOf(before, member, outcomes), ...sent.map((message) => this.#send(message))];
  }

  /** Lets time pass at one member, a heartbeat interval at a time. */
  tick(id: MemberId, forMs: number): string[] {
    const byMs = Math.min(forMs, this.#raft.heartbeatIntervalMs);
    return this.give(id, ...Array.from({ length: Math.round(forMs / byMs) }, () => ({ type: "tick", byMs }) as const));
  }

  /** Delivers what is on its way now on a route, of one type if one is given. */
  deliver(route: Route, type = ""): string[] {
    const chosen = this.#take(route, type);
    return chosen.length === 0 ? ["nothing is on its way"] : chosen.flatMap((message) => this.#arrive(message));
  }

  /** Delivers what has been on its way longest. */
  deliverFirst(route: Route): string[] {
    const message = this.#messages.find((each) => isOn(each, route, ""));
    if (message === undefined) return ["nothing is on its way"];
    this.#messages = this.#messages.filter((each) => each !== message);
    return this.#arrive(message);
  }

  /** Delivers everything until nothing is on its way but what is held up. */
  deliverAll(): string[] {
    const lines: string[] = [];
    for (let count = 0; count < 1000; count++) {
      const message = this.#messages.find((each) => !this.#holds.some((route) => isOn(each, route, "")));
      if (message === undefined) return lines;
      this.#messages = this.#messages.filter((each) => each !== message);
      lines.push(...this.#arrive(message));
    }
    throw new Error("the members never stop talking");
  }

  /** Delivers the first message on a route and leaves it on its way. */
  repeat(route: Route, type = ""): string[] {
    const message = this.#messages.find((each) => isOn(each, route, type));
    return message === undefined ? ["nothing is on its way"] : this.#arrive(message);
  }

  drop(route: Route, type = ""): string[] {
    return this.#take(route, type).map((message) => `lost: ${describeMessage(message)}`);
  }

  /** Loses everything that is sent on a route from now on. */
  cut(route: Route): string[] {
    this.#cuts.push(route);
    return [];
  }

  /** Keeps what is on a route, now and from now on, until it is asked for by its route. */
  hold(route: Route): string[] {
    this.#holds.push(route);
    return [];
  }

  /** Nothing is cut or held up any more. */
  heal(): string[] {
    this.#cuts = [];
    this.#holds = [];
    return [];
  }

  slow(id: MemberId, isSlow: boolean): string[] {
    const place = this.#place(id);
    place.isSlow = isSlow;
    return isSlow || place.member.writing === null ? [] : this.give(id, { type: "written" });
  }

  /** Stops a member dead. */
  crash(id: MemberId, writeSurvives: boolean): string[] {
    const place = this.#place(id);
    place.isDown = true;
    place.writeSurvives = writeSurvives;
    if (place.member.writing === null) return [`${id} is down`];
    return [`${id} is down, its write ${writeSurvives ? "durable though nobody was told" : "lost"}`];
  }

  restart(id: MemberId): string[] {
    const { member, writeSurvives } = this.#place(id);
    this.#place(id).isDown = false;
    member.take({ type: "restart", writeSurvives });
    return [this.status(id)];
  }

  /** A member that wants a snapshot gets one, of the state that the asked one has now. */
  fetch(id: MemberId, from: MemberId | null): string[] {
    const { wanted } = this.#place(id).member;
    if (wanted === null) return [`${id} wants no snapshot`];
    const { node } = this.#place(from ?? wanted.from).member;
    const base = node.logBaseAt(node.appliedIndex);
    return [
      `${id} has a snapshot of ${node.id} at ${base.index}@${base.term}`,
      ...this.give(id, { type: "fetched", base }),
    ];
  }

  install(id: MemberId): string[] {
    const begun = this.give(id, { type: "install" });
    if (this.#place(id).member.installing === null) return begun;
    return [...begun, ...this.give(id, { type: "installed" })];
  }

  change(id: MemberId, target: MembershipTarget): string[] {
    return this.give(id, { type: "change", target });
  }

  /** How a member stands. */
  status(id: MemberId): string {
    const { member, isDown } = this.#place(id);
    return isDown ? `${id} is down` : lookAt(member).summary;
  }

  #add(member: SteppedMember): void {
    this.#places.set(member.id, { member, isSlow: false, isDown: false, writeSurvives: false });
  }

  #place(id: MemberId): Place {
    const place = this.#places.get(id);
    if (place === undefined) throw new Error(`there is no member ${id}`);
    return place;
  }

  #send(message: Message): string {
    const isCut = this.#cuts.some((route) => isOn(message, route, ""));
    if (!isCut) this.#messages.push(message);
    return `${describeMessage(message)}${isCut ? " (lost)" : ""}`;
  }

  #arrive(message: Message): string[] {
    const { from, to } = message;
    if (this.#place(to).isDown) return [`lost, since ${to} is down: ${describeMessage(message)}`];
    const effects = this.give(to, { type: "message", message });
    return [`${to} <- ${from} ${nameOfMessage(message)}`, ...effects.map((line) => `  ${line}`)];
  }

  #take(route: Route, type: string): Message[] {
    const chosen = this.#messages.filter((message) => isOn(message, route, type));
    this.#messages = this.#messages.filter((message) => !chosen.includes(message));
    return chosen;
  }
}

function isOn(message: Message, { from, to }: Route, type: string): boolean {
  return (
    (from ?? message.from) === message.from &&
    (to ?? message.to) === message.to &&
    nameOfMessage(message).startsWith(type)
  );
}
