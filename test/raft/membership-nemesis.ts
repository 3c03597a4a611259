import type { ConfigurationMember, MemberId } from "../../src/raft/configuration.ts";
import {
  type MembershipTarget,
  targetOf,
  withLearner,
  withPromoted,
  withRemoved,
} from "../../src/raft/configuration-change.ts";
import type { ChangeRefusal } from "../../src/raft/membership.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import type { Random } from "../../src/raft/random.ts";
import type { TransferRefusal } from "../../src/raft/transfer.ts";
import type { CoreMember, CoreNetwork } from "./core-network.ts";
import type { Coverage, Situation } from "./coverage.ts";
import { newcomer } from "./test-member.ts";

const changeRefusals: Record<ChangeRefusal, Situation> = {
  NOT_LEADER: "changeRefusedNotLeader",
  CONFIG_CHANGE_IN_PROGRESS: "changeRefusedInProgress",
  TRANSFER_IN_PROGRESS: "changeRefusedDuringTransfer",
  CONFIGURATION_CHANGED: "changeRefusedConfigurationChanged",
  QUORUM_AT_RISK: "changeRefusedQuorumAtRisk",
  LEARNER_NOT_READY: "changeRefusedLearnerNotReady",
  TARGET_INVALID: "changeRefusedTargetInvalid",
};

const transferRefusals: Record<TransferRefusal, Situation> = {
  NOT_LEADER: "transferRefusedNotLeader",
  TARGET_NOT_VOTER: "transferRefusedNotVoter",
  TRANSFER_IN_PROGRESS: "transferRefusedInProgress",
};

/** Members that a run may come to have, the removed ones among them. */
const membersMax = 10;

/** Changes who belongs to the cluster and who leads it, at random times; members that were removed stay and talk on. */
export class MembershipNemesis {
  readonly #network: CoreNetwork;
  readonly #random: Random;
  readonly #coverage: Coverage;
  /** On average. */
  readonly #changeEveryMs: number;
  #nextMs = 0;
  readonly #changes: readonly ((asked: CoreMember) => void)[] = [
    (asked) => this.#change(asked, (target) => withLearner(target, this.#outsider())),
    (asked) => this.#change(asked, (target) => withPromoted(target, this.#anyOf(target.learners))),
    (asked) => this.#change(asked, (target) => withRemoved(target, this.#anyOf(idsOf(target)))),
    (asked) => this.#change(asked, (target) => withRemoved(target, asked.id)),
    (asked) =>
      this.#change(asked, (target) => withLearner(withRemoved(target, this.#anyOf(idsOf(target))), this.#outsider())),
    (asked) => this.#change(asked, (target) => this.#anything(target)),
    (asked) => this.#change(asked, (target) => this.#anything(target)),
    (asked) => this.#transfer(asked),
    (asked) => this.#transfer(asked),
  ];

  constructor(network: CoreNetwork, random: Random, coverage: Coverage, changeEveryMs: number) {
    this.#network = network;
    this.#random = random;
    this.#coverage = coverage;
    this.#changeEveryMs = changeEveryMs;
  }

  /** Asks for one change, or several at once, when it is time. */
  maybeChange(): void {
    const { nowMs } = this.#network.queue;
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#changeEveryMs * 2 * this.#random();
    const leader = this.#network.members.find(({ node }) => node?.role === "leader");
    const asked = this.#random() < 0.9 && leader ? leader : this.#pick(this.#network.members);
    const count = this.#random() < 0.2 ? 3 : 1;
    for (let i = 0; i < count; i++) this.#pick(this.#changes)(asked);
  }

  /** An empty member, or one that was removed, is made a learner; whether the leader agreed. */
  addLearner(leader: CoreMember): boolean {
    return this.#change(leader, (target) => withLearner(target, this.#outsider()));
  }

  #change(asked: CoreMember, edit: (target: MembershipTarget) => MembershipTarget): boolean {
    const result = this.#network.input(asked, (node) => {
      const { index, configuration } = node.configurationAt;
      const expectedIndex = this.#random() < 0.1 ? index + 1 : this.#random() < 0.5 ? index : null;
      return node.changeMembership(edit(targetOf(configuration)), expectedIndex);
    });
    if (typeof result === "string") this.#coverage.saw(changeRefusals[result]);
    return typeof result === "number";
  }

  #transfer(asked: CoreMember): void {
    const target = this.#random() < 0.2 ? null : this.#pick(this.#network.members).id;
    const result = this.#network.input(asked, (node) => node.transferLeadership(target));
    if (typeof result === "string") this.#coverage.saw(transferRefusals[result]);
  }

  /** From any configuration to any other: voters, learners and strangers in any part. */
  #anything(target: MembershipTarget): MembershipTarget {
    const members = [...target.members, ...(this.#random() < 0.5 ? [this.#outsider()] : [])];
    const chosen = members.filter(() => this.#random() < 0.7);
    const isVoter = (): boolean => this.#random() < 0.75;
    const voters = chosen.filter(isVoter).map(({ id }) => id);
    const learners = chosen.map(({ id }) => id).filter((id) => !voters.includes(id));
    return { voters, learners, members: members.map((member) => this.#maybeKept(member)) };
  }

  /** A member that is in no configuration that the run knows of, or may be; often a new one. */
  #outsider(): ConfigurationMember {
    const { members } = this.#network;
    const id = this.#random() < 0.5 || members.length >= membersMax ? this.#pick(members).id : this.#newcomer();
    return this.#maybeKept({ id, name: id, peerAddress: id });
  }

  #newcomer(): MemberId {
    const id = String.fromCharCode("a".charCodeAt(0) + this.#network.members.length);
    return this.#network.add(id, newcomer).id;
  }

  #maybeKept(member: ConfigurationMember): ConfigurationMember {
    const keepLearner = this.#random() < 0.3;
    return keepLearner ? { ...member, keepLearner } : member;
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  #anyOf(ids: readonly MemberId[]): MemberId {
    return ids.length === 0 ? "nobody" : this.#pick(ids);
  }
}

/** Learners of the configuration in force that are not to stay learners. */
export function impatientLearners({ configuration }: RaftNode): MemberId[] {
  const kept = new Set(configuration.members.filter(({ keepLearner }) => keepLearner === true).map(({ id }) => id));
  return configuration.learners.filter((id) => !kept.has(id));
}

function idsOf({ voters, learners }: MembershipTarget): MemberId[] {
  return [...voters, ...learners];
}
