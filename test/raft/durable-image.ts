import type { Configuration } from "../../src/raft/configuration.ts";
import { type Entry, entrySize, type HardState, type Index, type Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { TermRun } from "../../src/raft/raft-log.ts";
import type { Write } from "../../src/raft/ready.ts";
import type { RecoveredMember } from "../../src/raft/recover-state.ts";

/** What of a member survives a crash. */
export interface DurableImage {
  hardState: HardState;
  /** What was compacted, or came as a snapshot, ends here; absent while nothing did. */
  base?: LogBase;
  /** The log after the base, without holes. */
  entries: Entry[];
  appliedIndex: Index;
}

/** The image of a member that never ran. */
export function emptyImage(): DurableImage {
  return { hardState: { term: 0, votedFor: null, commitIndex: 0 }, entries: [], appliedIndex: 0 };
}

/** Index before the first durable entry. */
export function imageBaseIndex(image: DurableImage): Index {
  return image.base?.index ?? 0;
}

/** Index of the last durable entry, or of the base where there is none after it. */
export function imageLastIndex(image: DurableImage): Index {
  return imageBaseIndex(image) + image.entries.length;
}

/** Makes a write durable, in one piece. */
export function applyWrite(image: DurableImage, write: Write): void {
  if (write.hardState) image.hardState = write.hardState;
  if (write.truncateFrom !== undefined) {
    const kept = write.truncateFrom - 1 - imageBaseIndex(image);
    if (kept < 0) throw new Error(`truncation from ${write.truncateFrom} reaches into the base`);
    image.entries.length = kept;
  }
  for (const entry of write.entries) {
    const last = imageLastIndex(image);
    if (entry.index !== last + 1) throw new Error(`write leaves a hole: entry ${entry.index} after ${last}`);
    image.entries.push(entry);
  }
}

/** Moves the base on. Nothing is done where an installation has moved it further meanwhile. */
export function compactImage(image: DurableImage, base: LogBase): void {
  if (base.index <= imageBaseIndex(image)) return;
  if (base.index > image.appliedIndex) throw new Error(`compaction to ${base.index} of what is not durably applied`);
  image.entries = image.entries.slice(base.index - imageBaseIndex(image));
  image.base = base;
}

/** Replaces log and state by a snapshot that stands at `base`; entries after it stay where the log has the base's entry. */
export function installImage(image: DurableImage, base: LogBase): void {
  if (base.index <= image.hardState.commitIndex) throw new Error(`the snapshot at ${base.index} runs back`);
  const fits = imageTermAt(image, base.index) === base.term;
  image.entries = fits ? image.entries.slice(base.index - imageBaseIndex(image)) : [];
  image.base = base;
  image.appliedIndex = base.index;
  image.hardState = { ...image.hardState, commitIndex: base.index };
}

/** Term of a durable entry or of the base; 0 before the first entry of all, `undefined` where it is not known. */
export function imageTermAt(image: DurableImage, index: Index): Term | undefined {
  if (index === imageBaseIndex(image)) return image.base?.term ?? 0;
  return image.entries[index - 1 - imageBaseIndex(image)]?.term;
}

/** Durable entries from `from` to `to`, at least one where all are there, then as many as `bytesMax` allows. */
export function readImage(image: DurableImage, from: Index, to: Index, bytesMax: number): Entry[] {
  const baseIndex = imageBaseIndex(image);
  if (from <= baseIndex) return [];
  const entries: Entry[] = [];
  let bytes = 0;
  for (const entry of image.entries.slice(from - 1 - baseIndex, to - baseIndex)) {
    bytes += entrySize(entry);
    if (entries.length > 0 && bytes > bytesMax) break;
    entries.push(entry);
  }
  return entries;
}

/** What a start finds in the image; `configuration` is in force before the first of its log, where nothing was compacted. */
export function recovered(image: DurableImage, configuration: Configuration): RecoveredMember {
  const termRuns: TermRun[] = [];
  for (const { index, term } of image.entries) {
    if (termRuns.at(-1)?.term !== term) termRuns.push({ firstIndex: index, term });
  }
  const { base = { index: 0, term: 0, configuration: { index: 0, configuration } } } = image;
  return {
    hardState: image.hardState,
    log: { base: { index: base.index, term: base.term }, lastIndex: imageLastIndex(image), termRuns },
    baseConfiguration: base.configuration,
    configurationEntries: image.entries.filter((entry) => entry.kind === "configuration"),
    appliedIndex: image.appliedIndex,
  };
}
