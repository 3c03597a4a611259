import type { ConfigurationAt } from "../../src/raft/configuration-history.ts";
import type { Entry, Index, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { DurableImage } from "../raft/durable-image.ts";
import { logOf } from "../raft/member-changes.ts";
import type { SteppedMember } from "../raft/stepped-member.ts";

/** A log as rules look at it. */
export interface LogView {
  /** What stands before the first entry; `null` while nothing was compacted. */
  readonly base: LogBase | null;
  readonly entries: readonly Entry[];
}

/** The log as the core has it, durable or not. */
export function viewOf(member: SteppedMember): LogView {
  return { base: member.image.base ?? null, entries: logOf(member) };
}

/** The log as the disk has it. */
export function durableViewOf(image: DurableImage): LogView {
  return { base: image.base ?? null, entries: [...image.entries] };
}

/** Index of the last entry, or of the base. */
export function lastIndexIn({ base, entries }: LogView): Index {
  return (base?.index ?? 0) + entries.length;
}

/** The entry at an index; `undefined` where there is none, or none any more. */
export function entryIn({ base, entries }: LogView, index: Index): Entry | undefined {
  return entries[index - 1 - (base?.index ?? 0)];
}

/** Whether a log has an entry of this term there. What was compacted was committed, and is taken for it. */
export function hasIn(log: LogView, index: Index, term: Term): boolean {
  const baseIndex = log.base?.index ?? 0;
  if (index === baseIndex) return (log.base?.term ?? 0) === term;
  return index < baseIndex || entryIn(log, index)?.term === term;
}

/** The newest configuration of a log; `undefined` when it has none. */
export function configurationIn({ base, entries }: LogView): ConfigurationAt | undefined {
  return entries.findLast((entry) => entry.kind === "configuration") ?? base?.configuration;
}

/** What makes an entry this one and no other. */
export function entryText(entry: Entry): string {
  const { index, term, kind } = entry;
  if (kind === "noop") return `${index}@${term}`;
  const content = kind === "command" ? entry.command.join() : JSON.stringify(entry.configuration);
  return `${index}@${term}:${content}`;
}

/** What makes a log this one and no other. */
export function logText({ base, entries }: LogView): string {
  return `${base === null ? "" : JSON.stringify(base)} ${entries.map(entryText).join(" ")}`;
}
