import { BrokenRule, rule } from "../raft/rule.ts";
import { type MemberStates, raftOptions } from "./member-states.ts";
import type { World } from "./world.ts";
import type { WorldMachine } from "./world-machine.ts";

/** The world in which the first member leads term 1, and everybody knows its no-op to be committed; nothing is used up. */
export function ledWorld(machine: WorldMachine): World {
  const { states } = machine;
  const campaign = states.inputs.number({ type: "campaign" });
  const beat = states.inputs.number({ type: "tick", byMs: raftOptions.heartbeatIntervalMs });
  let world = settle(machine, give(machine, machine.start(), 0, campaign, -1));
  world = settle(machine, give(machine, world, 0, beat, -1));
  const leader = states.at(world[0] ?? -1);
  rule(leader.role === "leader" && leader.commitIndex === 1, "the first member does not come to lead");
  return world;
}

/** Lets every write end and every message arrive, until nothing is left to happen. */
function settle(machine: WorldMachine, start: World): World {
  const { states, format } = machine;
  let world = start;
  for (let moves = 0; moves < 1000; moves++) {
    const place = Array.from({ length: format.members }, (_, at) => at).find((at) => isBusy(states, world, at));
    const message = world[format.messagesAt];
    if (place !== undefined) {
      const type = states.at(world[place] ?? -1).isWriting ? "written" : "applied";
      world = give(machine, world, place, states.inputs.number({ type }), -1);
    } else if (message !== undefined) {
      world = give(machine, world, format.placeOf(states.messages.at(message).to), states.arrival(message), message);
    } else {
      return world;
    }
  }
  throw new BrokenRule("the members never stop talking");
}

function isBusy(states: MemberStates, world: World, place: number): boolean {
  const { isWriting, isApplying } = states.at(world[place] ?? -1);
  return isWriting || isApplying;
}

function give(machine: WorldMachine, world: World, place: number, input: number, taken: number): World {
  const move = { place, input, ending: 0, taken, expense: null };
  const effect = machine.effect(world, move);
  if (effect.type === "reached") return machine.next(world, move, effect);
  if (effect.type === "idle") return machine.format.withMessages(world, [taken], []);
  throw new BrokenRule(`the first election fails: ${effect.type === "broken" ? effect.reason : effect.type}`);
}
