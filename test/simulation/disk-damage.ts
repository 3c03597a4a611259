import { pairKey } from "../../src/kv/row-keys.ts";
import { peerKey } from "../../src/storage/row-keys.ts";
import { utf8 } from "../kv/driver.ts";
import type { Dice } from "./dice.ts";
import type { Operator } from "./operator.ts";
import type { DiskImage } from "./sim-disk.ts";
import type { Damage, SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** Damages disks for good: never those of more than a minority, and only of members whom all others know. */
export class DiskDamage {
  readonly #world: World;
  readonly #members: readonly SimMember[];
  readonly #operator: Operator;

  /** `members` may grow. */
  constructor(world: World, members: readonly SimMember[], operator: Operator) {
    this.#world = world;
    this.#members = members;
    this.#operator = operator;
  }

  /** The disk is another one, empty; the member comes back under its old id, and must not be believed. */
  wipe(member: SimMember, restartMs: number): void {
    if (!this.#mayDamage(member)) return;
    this.#mark(member, "wiped");
    member.crash();
    member.disk.wipe();
    member.startAfter(restartMs);
  }

  /** The disk forgets what it said since `image` was durable. The watermark must tell, as far as it has come. */
  loseTail(member: SimMember, image: DiskImage, restartMs: number): void {
    const { watermark } = member.disk;
    if (!this.#mayDamage(member) || watermark === undefined || watermark.writes <= image.writes) return;
    this.#mark(member, "lostTail");
    member.crash();
    member.disk.forgetSince(image);
    member.startAfter(restartMs);
  }

  /** A bit of a row is flipped, and stays so. */
  rot(member: SimMember, dice: Dice, restartMs: number): void {
    if (!this.#mayDamage(member) || !member.disk.rot()) return;
    this.#mark(member, "rotten");
    if (dice.chance(0.7)) member.restartAfter(restartMs);
  }

  /** The state gets a row that no client writes, as if an entry had been applied differently here; whether it could be done. */
  alter(member: SimMember): boolean {
    if (member.disk.appliedIndex === 0 || !this.#mayDamage(member)) return false;
    this.#mark(member, "altered");
    this.#world.coverage.saw("stateAltered");
    member.disk.alter(pairKey(utf8("altered")), utf8("not of any entry"));
    return true;
  }

  #mayDamage(member: SimMember): boolean {
    if (member.lost || member.retired || !this.#operator.isSurvivable([member])) return false;
    const others = this.#members.filter((each) => each !== member && !each.retired);
    return others.every(({ disk }) => disk.rows.get(peerKey(member.id)) !== undefined);
  }

  #mark(member: SimMember, damage: Damage): void {
    this.#world.trace.note(member.id, damage);
    member.damage = damage;
  }
}
