import { invariant } from "./assert.ts";
import type { Configuration } from "./configuration.ts";
import type { ConfigurationEntry, Entry, Index } from "./entry.ts";

/** A configuration and the log index from which on it is in force. */
export interface ConfigurationAt {
  readonly index: Index;
  readonly configuration: Configuration;
}

/**
 * The configurations of the log, newest last. The newest is in force from the moment it is appended, committed or not
 * (Raft paper, section 6); when its entry is truncated, the one before is in force again.
 */
export class ConfigurationHistory {
  #history: ConfigurationAt[];

  /** `base` is in force before the first configuration entry. */
  constructor(base: ConfigurationAt, entries: readonly ConfigurationEntry[]) {
    this.#history = [base];
    this.append(entries);
  }

  /** The one in force. */
  get current(): ConfigurationAt {
    const newest = this.#history.at(-1);
    invariant(newest !== undefined, "there is always a base configuration");
    return newest;
  }

  /** The one in force at `index`; that of the base for anything before. */
  at(index: Index): ConfigurationAt {
    const found = this.#history.findLast((candidate) => candidate.index <= index) ?? this.#history[0];
    invariant(found !== undefined, "there is always a base configuration");
    return found;
  }

  /** Takes the configuration entries among `entries` into force. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind === "configuration") {
        this.#history.push({ index: entry.index, configuration: entry.configuration });
      }
    }
  }

  /** Keeps what is in force at `index` as the base, and forgets what was in force before. */
  compactTo(index: Index): void {
    const base = this.at(index);
    this.#history = [base, ...this.#history.filter((candidate) => candidate.index > index)];
  }

  /** Forgets everything but `base`, which a snapshot brought. */
  resetTo(base: ConfigurationAt): void {
    this.#history = [base];
  }

  /** Undoes what was appended from `index` on; returns whether the one in force changed. */
  truncateFrom(index: Index): boolean {
    const kept = this.#history.filter((candidate, position) => position === 0 || candidate.index < index);
    const changed = kept.length !== this.#history.length;
    this.#history = kept;
    return changed;
  }

  /** The configurations, oldest first. */
  toJSON(): readonly ConfigurationAt[] {
    return this.#history;
  }
}
