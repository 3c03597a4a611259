import { describeConfiguration, describeLog, describeMessage } from "../raft/describe-message.ts";
import type { Input } from "../raft/stepped-member.ts";
import type { MemberState } from "./member-states.ts";
import type { Move } from "./moves.ts";
import type { World } from "./world.ts";
import type { WorldMachine } from "./world-machine.ts";

/** Tells move by move how a world came about: what happened, what was sent, and how the member stood after it. */
export function* describeMoves(machine: WorldMachine, start: World, moves: readonly Move[]): Generator<string> {
  const { states } = machine;
  let world = start;
  for (const [position, move] of moves.entries()) {
    const before = states.at(world[move.place] ?? -1);
    yield `${String(position + 1).padStart(2)}. ${describeInput(before.id, states.inputs.at(move.input), move)}`;
    const effect = machine.effect(world, move);
    if (effect.type !== "reached") {
      yield `    ${effect.type === "broken" ? effect.reason : `nothing comes of it: ${effect.type}`}`;
      return;
    }
    const { next, messages, reads } = effect.step;
    for (const message of messages) yield `    ${describeMessage(states.messages.at(message))}`;
    for (const { context, index } of reads)
      yield `    read ${context} ${index === null ? "is given up" : `at ${index}`}`;
    yield `    ${describeMember(next)}`;
    world = machine.next(world, move, effect);
  }
}

function describeInput(id: string, input: Input, { ending, taken, expense }: Move): string {
  const ends = ["", ", and crashes before its write", ", and crashes after its write"][ending] ?? "";
  if (input.type === "message" && expense !== "campaigns") {
    return `${id} takes ${describeMessage(input.message)}${taken < 0 ? " (which may come again)" : ""}${ends}`;
  }
  return `${id} ${describeOwn(input)}${ends}`;
}

function describeOwn(input: Input): string {
  switch (input.type) {
    case "message":
      return "is told to campaign";
    case "campaign":
      return "campaigns";
    case "tick":
      return `waits for ${input.byMs} ms`;
    case "propose":
      return `proposes ${input.command.join()}`;
    case "read":
      return `is asked for read ${input.context}`;
    case "transfer":
      return `is to hand over to ${input.target}`;
    case "change":
      return `is to change the voters to ${input.target.voters.join("")}`;
    case "compact":
      return `forgets its log up to ${input.index}`;
    case "fetched":
      return `has a snapshot at ${input.base.index}@${input.base.term}`;
    case "install":
      return "begins to install its snapshot";
    case "installed":
      return "has installed its snapshot";
    case "written":
      return "has written";
    case "applied":
      return "has applied";
    case "restart":
      return `crashes${input.writeSurvives ? ", its write being durable," : ""} and starts again`;
  }
}

/** A member on one line. */
export function describeMember(state: MemberState): string {
  const { id, role, term, leaderId, commitIndex, log, durable, isWriting, configuration } = state;
  const base = log.base === null ? "" : `after ${log.base.index}@${log.base.term} `;
  const vote = durable.hardState.votedFor ?? "nobody";
  const disk = `disk: term ${durable.hardState.term} vote ${vote} ${describeLog(durable.log.entries)}${isWriting ? " writing" : ""}`;
  const leads = leaderId === null || leaderId === id ? "" : ` of ${leaderId}`;
  return `= ${id} ${role}${leads} term ${term} log ${base}${describeLog(log.entries)} commit ${commitIndex} ${describeConfiguration(configuration)}; ${disk}`;
}
