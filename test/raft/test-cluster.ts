import type { MemberId } from "../../src/raft/configuration.ts";
import type { Term } from "../../src/raft/entry.ts";
import type { Message } from "../../src/raft/message.ts";
import { newcomer, TestMember, type TestMemberOptions, voters } from "./test-member.ts";

/** Test members whose messages arrive at once and in order, unless the test holds them up: for scripts of exact steps. */
export class TestCluster {
  readonly #members = new Map<MemberId, TestMember>();
  readonly #options: TestMemberOptions;
  #restarts = 0;
  /** Whether a message is lost. */
  isLost: (message: Message) => boolean = () => false;
  /** Everything sent so far, lost or not. */
  readonly sent: Message[] = [];

  /** `logs`: terms of the entries that each member starts with. */
  constructor(logs: Readonly<Record<MemberId, readonly Term[]>>, options: TestMemberOptions = {}) {
    this.#options = options;
    const configuration = options.configuration ?? voters(...Object.keys(logs));
    Object.entries(logs).forEach(([id, terms], position) => {
      this.#members.set(id, new TestMember({ ...options, id, terms, configuration, seed: position + 1 }));
    });
  }

  /** A member with an empty disk, in no configuration yet. */
  join(id: MemberId): TestMember {
    const member = new TestMember({ ...this.#options, id, configuration: newcomer, seed: this.#members.size + 1 });
    this.#members.set(id, member);
    return member;
  }

  get members(): TestMember[] {
    return [...this.#members.values()];
  }

  member(id: MemberId): TestMember {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  /** Loses every message from or to these. */
  isolate(...ids: MemberId[]): void {
    this.isLost = ({ from, to }) => ids.includes(from) || ids.includes(to);
  }

  heal(): void {
    this.isLost = () => false;
  }

  /** Delivers until nothing is left to deliver; snapshots that are asked for arrive as soon. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      const messages = this.members.flatMap((member) => member.drain());
      this.#fetchSnapshots();
      if (messages.length === 0) return;
      this.sent.push(...messages);
      for (const message of messages) {
        if (!this.isLost(message)) this.member(message.to).node.step(message, this.member(message.to).nowMs);
      }
    }
    throw new Error("the members never stop talking");
  }

  #fetchSnapshots(): void {
    for (const member of this.members) {
      for (const { from } of member.toFetch.splice(0)) {
        const { node } = this.member(from);
        member.install(node.logBaseAt(node.appliedIndex));
      }
    }
  }

  /** Lets time pass for all. */
  wait(forMs: number): void {
    const stepMs = this.members[0]?.options.heartbeatIntervalMs ?? forMs;
    for (let passedMs = 0; passedMs < forMs; passedMs += stepMs) {
      for (const member of this.members) {
        member.nowMs += stepMs;
        member.tick();
      }
      this.settle();
    }
  }

  /** Lets time pass until somebody leads. */
  waitForLeader(): TestMember {
    return this.waitForNewLeader("nobody");
  }

  /** Lets time pass until somebody else than `old` leads. */
  waitForNewLeader(old: MemberId): TestMember {
    for (let tries = 0; tries < 200; tries++) {
      const leader = this.members.find(
        ({ node }) => node.id !== old && node.role === "leader" && node.hasCommittedInTerm,
      );
      if (leader) return leader;
      this.wait(10);
    }
    throw new Error(`nobody leads after ${old}`);
  }

  /** Makes `id` campaign when the others have forgotten their leader, and takes it to leadership. */
  elect(id: MemberId): TestMember {
    for (const member of this.members) if (member.node.id !== id) this.forgetLeader(member);
    const member = this.member(id);
    member.node.campaign();
    this.settle();
    if (member.node.role !== "leader") throw new Error(`${id} is ${member.node.role} in term ${member.node.term}`);
    return member;
  }

  /** Without a word to anybody, time passes for one member, just until it no longer sticks to its leader. */
  forgetLeader(member: TestMember): void {
    for (let passedMs = 0; passedMs < member.options.electionTimeoutMs; passedMs += 10) {
      member.nowMs += 10;
      if (member.node.role !== "follower") return;
      member.node.tick(member.nowMs);
    }
    member.drain();
  }

  /** Stops a member dead and starts it again from what is durable. */
  restart(id: MemberId): TestMember {
    // Members that drew the same numbers would split every vote.
    const member = this.member(id).restart(100 + ++this.#restarts);
    this.#members.set(id, member);
    return member;
  }

  /** Terms of a member's durable log. */
  terms(id: MemberId): Term[] {
    return this.member(id).image.entries.map((entry) => entry.term);
  }
}
