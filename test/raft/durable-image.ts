import type { Configuration } from "../../src/raft/configuration.ts";
import { type Entry, entrySize, type HardState, type Index, type Term } from "../../src/raft/entry.ts";
import type { TermRun } from "../../src/raft/raft-log.ts";
import type { Write } from "../../src/raft/ready.ts";
import type { RecoveredMember } from "../../src/raft/recover-state.ts";

/** What of a member survives a crash. */
export interface DurableImage {
  hardState: HardState;
  /** The whole log; the entry with index i stands at i - 1. */
  entries: Entry[];
  appliedIndex: Index;
}

/** The image of a member that never ran. */
export function emptyImage(): DurableImage {
  return { hardState: { term: 0, votedFor: null, commitIndex: 0 }, entries: [], appliedIndex: 0 };
}

/** Makes a write durable, in one piece. */
export function applyWrite(image: DurableImage, write: Write): void {
  if (write.hardState) image.hardState = write.hardState;
  if (write.truncateFrom !== undefined) image.entries.length = write.truncateFrom - 1;
  for (const entry of write.entries) {
    if (entry.index !== image.entries.length + 1) {
      throw new Error(`write leaves a hole: entry ${entry.index} after ${image.entries.length}`);
    }
    image.entries.push(entry);
  }
}

/** Term of a durable entry; 0 before the log, `undefined` after it. */
export function imageTermAt(image: DurableImage, index: Index): Term | undefined {
  return index === 0 ? 0 : image.entries[index - 1]?.term;
}

/** Durable entries, at least one where there is one, then as many as `bytesMax` allows. */
export function readImage(image: DurableImage, from: Index, to: Index, bytesMax: number): Entry[] {
  const entries: Entry[] = [];
  let bytes = 0;
  for (const entry of image.entries.slice(from - 1, to)) {
    bytes += entrySize(entry);
    if (entries.length > 0 && bytes > bytesMax) break;
    entries.push(entry);
  }
  return entries;
}

/** What a start finds in the image. */
export function recovered(image: DurableImage, configuration: Configuration): RecoveredMember {
  const termRuns: TermRun[] = [];
  for (const { index, term } of image.entries) {
    if (termRuns.at(-1)?.term !== term) termRuns.push({ firstIndex: index, term });
  }
  return {
    hardState: image.hardState,
    log: { base: { index: 0, term: 0 }, lastIndex: image.entries.length, termRuns },
    baseConfiguration: { index: 0, configuration },
    configurationEntries: image.entries.filter((entry) => entry.kind === "configuration"),
    appliedIndex: image.appliedIndex,
  };
}
