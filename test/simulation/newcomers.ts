import type { ConfigurationMember, MemberId } from "../../src/raft/configuration.ts";
import { check } from "./broken-rule.ts";
import type { Dice } from "./dice.ts";
import type { MembershipRules } from "./membership-rules.ts";
import type { SimMember } from "./sim-member.ts";

/** Members that a run may come to have, those that are gone among them. */
const membersMax = 14;

/** Machines with an empty disk that are to become members. */
export class Newcomers {
  readonly #members: readonly SimMember[];
  readonly #makeMember: () => SimMember;
  /** Those whose adding was refused: the next newcomer may be one of them. */
  readonly #spare = new Set<SimMember>();

  /** `makeMember` adds to `members`. */
  constructor(members: readonly SimMember[], makeMember: () => SimMember) {
    this.#members = members;
    this.#makeMember = makeMember;
  }

  /** A machine that was never a member, unless there are too many; it may begin to ask whether it is one before it is. */
  take(dice: Dice, always = false): ConfigurationMember | undefined {
    const [spare] = this.#spare;
    if (spare === undefined && this.#members.length >= membersMax && !always) return undefined;
    // Nobody that is new could tell an imposter from the member that lost its disk.
    for (const member of this.#members) if (member.damage === "wiped") member.retire();
    const newcomer = spare ?? this.#makeMember();
    this.#spare.delete(newcomer);
    newcomer.retired = false;
    if (dice.chance(0.3)) newcomer.start();
    const { id } = newcomer;
    return { id, name: id, peerAddress: id };
  }

  /** It is a member, or may be: now it asks at the latest. */
  start(id: MemberId | undefined): void {
    this.#find(id)?.start();
  }

  /** It has not become a member: it is not needed. */
  giveBack(id: MemberId | undefined): void {
    const newcomer = this.#find(id);
    if (newcomer === undefined) return;
    newcomer.retire();
    this.#spare.add(newcomer);
  }

  /** Who was refused must not be a member. To be asked at the end. */
  checkRefused({ latest }: MembershipRules): void {
    for (const { id } of this.#spare) {
      const added = latest.configuration.members.some((member) => member.id === id);
      check(!added, "a refused change is not made", () => `${id} is a member`);
    }
  }

  #find(id: MemberId | undefined): SimMember | undefined {
    return this.#members.find((member) => member.id === id);
  }
}
