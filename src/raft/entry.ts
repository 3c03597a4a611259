import type { Configuration } from "./configuration.ts";

/** Position in the log; the first entry has 1, and 0 stands for "before the log". At most 2^53 - 1. */
export type Index = number;

/** Election term; 0 before the first election. At most 2^53 - 1. */
export type Term = number;

/** Largest index, term, round or id that the core works with. */
export const numberMax = Number.MAX_SAFE_INTEGER;

interface EntryHead {
  readonly index: Index;
  readonly term: Term;
  /** Leader's wall clock when it appended the entry, milliseconds since 1970; opaque to the core. */
  readonly timeMs: number;
}

/**
 * Nothing. A new leader commits one to commit what came before it (Raft paper, section 8); any other is a checkpoint, an index
 * at which whoever drives the core may look at the state of every member.
 */
export interface NoopEntry extends EntryHead {
  readonly kind: "noop";
}

/** A command of the state machine, opaque to the core. */
export interface CommandEntry extends EntryHead {
  readonly kind: "command";
  readonly command: Uint8Array;
}

/** A configuration; in force from the moment it is in the log (Raft paper, section 6). */
export interface ConfigurationEntry extends EntryHead {
  readonly kind: "configuration";
  readonly configuration: Configuration;
}

/** One entry of the log. */
export type Entry = NoopEntry | CommandEntry | ConfigurationEntry;

/** What an entry counts for in windows and limits, bytes: its command and a fixed overhead. */
export function entrySize(entry: Entry): number {
  const overhead = 32;
  if (entry.kind === "command") return overhead + entry.command.length;
  return entry.kind === "configuration" ? overhead + 128 * entry.configuration.members.length : overhead;
}

/** Sum of {@link entrySize}. */
export function entriesSize(entries: readonly Entry[]): number {
  let sum = 0;
  for (const entry of entries) sum += entrySize(entry);
  return sum;
}

/** The first of the entries: at least one, then as many as come to at most `bytesMax` by {@link entrySize}. */
export function withinBytes(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex((entry, position) => {
    bytes += entrySize(entry);
    return position > 0 && bytes > bytesMax;
  });
  return end === -1 ? entries : entries.slice(0, end);
}

/** Position of an entry with the term that makes it unique: two logs that share one share everything before it. */
export interface LogPosition {
  readonly index: Index;
  readonly term: Term;
}

/** Term, vote and, as a hint, the commit index: what must be durable before it is acted upon. */
export interface HardState {
  readonly term: Term;
  /** Who got this member's vote in `term`; `null` when nobody did. */
  readonly votedFor: string | null;
  readonly commitIndex: Index;
}
