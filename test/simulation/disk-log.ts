import type { Configuration } from "../../src/raft/configuration.ts";
import type { ConfigurationEntry, Index, LogPosition, Term } from "../../src/raft/entry.ts";
import { readBase, type StoredBase } from "../../src/storage/base-row.ts";
import { checkLoneRecord, decodeRecord, isConfigurationRecord } from "../../src/storage/log-record.ts";
import { logKeyIndex, metaKeys } from "../../src/storage/row-keys.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import { check } from "./broken-rule.ts";

/** First byte of the keys of log records. */
const logSpace = 2;

/** Where the term stands in a log record. */
const recordTermOffset = 14;

/** What log and base on a disk say: kept up to date change by change, so that no rule has to read them. */
export class DiskLog {
  /** What stands before the first entry; `undefined` while nothing was compacted and no snapshot installed. */
  #base: StoredBase | undefined;
  #lastIndex: Index = 0;
  /** Term of each entry behind the base; entry i at i - 1. */
  readonly #terms: Term[] = [];
  /** Configuration entries behind the base, oldest first. */
  #configurations: readonly ConfigurationEntry[] = [];

  constructor(rows: readonly Row[] = []) {
    for (const [key, value] of rows) this.note({ type: "put", key, value });
  }

  get base(): StoredBase | undefined {
    return this.#base;
  }

  /** Last entry, or the base when there is none behind it. */
  get lastIndex(): Index {
    return this.#lastIndex;
  }

  get configurations(): readonly ConfigurationEntry[] {
    return this.#configurations;
  }

  /** Term of an entry, or of the base; `undefined` when there is no such entry, or not any more. */
  termAt(index: Index): Term | undefined {
    const { index: baseIndex, term } = this.#base ?? { index: 0, term: 0 };
    if (index === baseIndex) return term;
    return index > baseIndex && index <= this.#lastIndex ? this.#terms[index - 1] : undefined;
  }

  /** Whether an entry is there, or is among those that the base stands for, all of which were committed. */
  holds({ index, term }: LogPosition): boolean {
    return index < (this.#base?.index ?? 0) || this.termAt(index) === term;
  }

  /** The entries behind the base, in order. */
  *positions(): Generator<LogPosition> {
    for (let index = (this.#base?.index ?? 0) + 1; index <= this.#lastIndex; index++) {
      yield { index, term: this.#terms[index - 1] ?? 0 };
    }
  }

  /** The configuration that an entry holds, if it is there and holds one. */
  configurationAt({ index, term }: LogPosition): Configuration | undefined {
    return this.#configurations.find((entry) => entry.index === index && entry.term === term)?.configuration;
  }

  /** Takes note of a row's change; returns the entry that it took away or replaced, if any. */
  note(change: RowChange): LogPosition | undefined {
    if (change.key[0] === logSpace) return this.#noteRecord(change, logKeyIndex(change.key) ?? 0);
    const isBase = change.key[0] === metaKeys.base[0] && Buffer.compare(change.key, metaKeys.base) === 0;
    if (isBase && change.type === "put") this.#moveBase(change.value);
    return undefined;
  }

  #moveBase(row: Uint8Array): void {
    const base = readBase(row);
    this.#base = base;
    this.#lastIndex = Math.max(this.#lastIndex, base.index);
    this.#configurations = this.#configurations.filter((entry) => entry.index > base.index);
  }

  #noteRecord(change: RowChange, index: Index): LogPosition | undefined {
    // Records that the base stands for are garbage.
    if (index <= (this.#base?.index ?? 0)) return undefined;
    const before = this.termAt(index);
    if (this.#configurations.some((entry) => entry.index >= index)) {
      this.#configurations = this.#configurations.filter((entry) => entry.index < index);
    }
    if (change.type === "put") this.#put(index, change.value);
    // Deletions of one batch come in any order; what lies behind the first of them goes, too.
    else this.#lastIndex = Math.min(this.#lastIndex, index - 1);
    return before === undefined || before === this.termAt(index) ? undefined : { index, term: before };
  }

  #put(index: Index, record: Uint8Array): void {
    check(index <= this.#lastIndex + 1, "log gap", () => `entry ${index} after ${this.#lastIndex}`);
    this.#terms[index - 1] = termOf(record);
    this.#lastIndex = index;
    if (!isConfigurationRecord(record)) return;
    const entry = decodeRecord(record, checkLoneRecord(record, index));
    if (entry.kind === "configuration") this.#configurations = [...this.#configurations, entry];
  }
}

function termOf(record: Uint8Array): Term {
  // Without a view over the record: this runs for every entry that a disk takes.
  let term = 0;
  for (let at = recordTermOffset; at < recordTermOffset + 8; at++) term = term * 256 + (record[at] ?? 0);
  return term;
}
