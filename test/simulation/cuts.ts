import type { MemberId } from "../../src/raft/configuration.ts";
import type { Dice } from "./dice.ts";
import type { SimMember } from "./sim-member.ts";

/** Ways in which links may be cut. */
export type CutKind = "split" | "isolate" | "oneWay" | "bridge" | "buddy";

/** Whether nothing gets from one member to another. */
export type IsCut = (from: MemberId, to: MemberId) => boolean;

/** Draws a cut around member `id`. */
export function drawCut(kind: CutKind, dice: Dice, id: MemberId, members: readonly SimMember[]): IsCut {
  const side = new Set(dice.some(members, 0.5).map((member) => member.id));
  const outwards = dice.chance(0.5);
  const friend = dice.pick(members).id;
  const cuts: Readonly<Record<CutKind, IsCut>> = {
    split: (from, to) => side.has(from) !== side.has(to),
    isolate: (from, to) => from === id || to === id,
    oneWay: (from, to) => (outwards ? from : to) === id,
    // Everybody hears one member, and the others not.
    bridge: (from, to) => from !== id && to !== id && side.has(from) !== side.has(to),
    buddy: (from, to) => (from === id && to !== friend) || (to === id && from !== friend),
  };
  return cuts[kind];
}
