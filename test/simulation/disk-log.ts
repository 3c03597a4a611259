import type { Configuration } from "../../src/raft/configuration.ts";
import type { ConfigurationEntry, Index, LogPosition, Term } from "../../src/raft/entry.ts";
import { checkLoneRecord, decodeRecord, isConfigurationRecord } from "../../src/storage/log-record.ts";
import { logKeyIndex } from "../../src/storage/row-keys.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import { check } from "./broken-rule.ts";

/** First byte of the keys of log records. */
const logSpace = 2;

/** Where the term stands in a log record. */
const recordTermOffset = 14;

/** What the log records on a disk say: kept up to date change by change, so that no rule has to read them. */
export class DiskLog {
  /** Term of each durable entry; entry i at i - 1. */
  #terms: Term[] = [];
  /** Configuration entries, oldest first. */
  #configurations: readonly ConfigurationEntry[] = [];

  constructor(rows: readonly Row[] = []) {
    for (const [key, value] of rows) this.note({ type: "put", key, value });
  }

  /** Last entry. */
  get lastIndex(): Index {
    return this.#terms.length;
  }

  get configurations(): readonly ConfigurationEntry[] {
    return this.#configurations;
  }

  /** Term of an entry; 0 for "before the log", `undefined` when there is no such entry. */
  termAt(index: Index): Term | undefined {
    return index === 0 ? 0 : this.#terms[index - 1];
  }

  /** The configuration that an entry holds, if it is there and holds one. */
  configurationAt({ index, term }: LogPosition): Configuration | undefined {
    return this.#configurations.find((entry) => entry.index === index && entry.term === term)?.configuration;
  }

  /** Takes note of a row's change; returns the entry that it took away or replaced, if any. */
  note(change: RowChange): LogPosition | undefined {
    const index = change.key[0] === logSpace ? logKeyIndex(change.key) : undefined;
    if (index === undefined) return undefined;
    const before = this.#terms[index - 1];
    const after = change.type === "put" ? termOf(change.value) : undefined;
    if (this.#configurations.some((entry) => entry.index >= index)) {
      this.#configurations = this.#configurations.filter((entry) => entry.index < index);
    }
    if (change.type === "put") this.#put(index, change.value);
    // Deletions of one batch come in any order; what lies behind the first of them goes, too.
    else if (index <= this.#terms.length) this.#terms.length = index - 1;
    return before === undefined || before === after ? undefined : { index, term: before };
  }

  #put(index: Index, record: Uint8Array): void {
    const term = termOf(record);
    check(index <= this.#terms.length + 1, "log gap", () => `entry ${index} after ${this.#terms.length}`);
    this.#terms[index - 1] = term;
    if (!isConfigurationRecord(record)) return;
    const entry = decodeRecord(record, checkLoneRecord(record, index));
    if (entry.kind === "configuration") this.#configurations = [...this.#configurations, entry];
  }
}

function termOf(record: Uint8Array): Term {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  return view.getUint32(recordTermOffset) * 2 ** 32 + view.getUint32(recordTermOffset + 4);
}
