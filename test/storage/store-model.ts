import fc from "fast-check";
import type { ConfigurationAt } from "../../src/raft/configuration-history.ts";
import type { Entry, HardState } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { InstallationSource } from "../../src/storage/installation.ts";
import type { StoreBatch } from "../../src/storage/member-store.ts";
import type { RowChange } from "../../src/storage/storage-engine.ts";
import { batch, bootstrapConfiguration, command, configuration, noop, put } from "./store-fixture.ts";

const keys = fc.constantFrom("", "a", "ab", "b");

/** What a step is drawn from; numbers are taken modulo what is possible when its turn comes. */
export const step = fc.record({
  termStep: fc.constantFrom(0, 0, 0, 1, 3),
  vote: fc.constantFrom(null, "a", "b"),
  truncate: fc.option(fc.nat(20), { freq: 3, nil: undefined }),
  kinds: fc.array(fc.constantFrom("command", "noop", "configuration"), { maxLength: 8 }),
  commit: fc.nat(3),
  apply: fc.nat(3),
  rows: fc.array(fc.record({ key: keys, value: fc.option(fc.string()) }), { maxLength: 3 }),
  compact: fc.option(fc.nat(20), { freq: 4, nil: undefined }),
  install: fc.constantFrom("nothing", "nothing", "begin", "add", "add", "finish", "abandon"),
  ahead: fc.nat(12),
  installRow: fc.string({ maxLength: 3 }),
  after: fc.constantFrom("go on", "go on", "go on", "reopen", "crash"),
});

/** One step of a run. */
export type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** An installation as plain values. */
interface ModelInstallation {
  readonly source: InstallationSource;
  /** Ordered by key. */
  readonly rows: [key: string, value: string][];
}

/** The same as a store, as plain values. */
export class StoreModel {
  hardState: HardState = { term: 0, votedFor: null, commitIndex: 0 };
  base: LogBase = { index: 0, term: 0, configuration: { index: 0, configuration: bootstrapConfiguration } };
  /** Entries behind the base. */
  log: Entry[] = [];
  state = new Map<string, string>();
  appliedIndex = 0;
  installation: ModelInstallation | undefined;

  get lastIndex(): number {
    return this.base.index + this.log.length;
  }

  /** Turns a step into a batch that keeps the rules, and applies it. */
  write(drawn: Step, at: number): StoreBatch {
    const { hardState: before } = this;
    const term = before.term + Math.max(drawn.termStep, before.term === 0 ? 1 : 0);
    const fixed = Math.max(before.commitIndex, this.appliedIndex);
    const truncateFrom = drawn.truncate === undefined ? undefined : fixed + 1 + drawn.truncate;
    if (truncateFrom !== undefined) this.#cut(truncateFrom);
    const entries = drawn.kinds.map((kind, offset) => entryOf(kind, this.lastIndex + 1 + offset, term, at));
    this.log.push(...entries);
    const votedFor = term === before.term && before.votedFor !== null ? before.votedFor : drawn.vote;
    const commitIndex = Math.min(this.lastIndex, before.commitIndex + drawn.commit);
    this.hardState = { term, votedFor, commitIndex };
    this.appliedIndex = Math.max(this.appliedIndex, Math.min(commitIndex, this.appliedIndex + drawn.apply));
    const stateChanges = drawn.rows.map(({ key, value }) => this.#change(key, value));
    const truncation = truncateFrom === undefined ? {} : { truncateFrom };
    return batch({ hardState: this.hardState, ...truncation, entries, stateChanges, appliedIndex: this.appliedIndex });
  }

  /** Moves the base as the step wishes; `undefined` when it wishes nothing. */
  compact({ compact }: Step): LogBase | undefined {
    if (compact === undefined) return undefined;
    const index = this.base.index + (compact % (this.appliedIndex - this.base.index + 1));
    this.base = this.#baseAt(index);
    this.log = this.log.filter((entry) => entry.index > index);
    return this.base;
  }

  /** Begins with a snapshot that stands behind what is committed: in the log, beside it or beyond it. */
  begin({ ahead, termStep }: Step): InstallationSource {
    const index = Math.max(this.hardState.commitIndex, this.appliedIndex) + 1 + ahead;
    const own = this.log.find((entry) => entry.index === index);
    const term = own !== undefined && termStep === 0 ? own.term : this.hardState.term;
    const base = { index, term, configuration: { index: 0, configuration: bootstrapConfiguration } };
    const source = { snapshotId: `at ${index}`, from: "00000000000000a2", base };
    this.installation = { source, rows: [] };
    return source;
  }

  /** Whether the installation may be turned to. */
  get mayFinish(): boolean {
    const { source } = this.installation ?? {};
    return source !== undefined && source.base.index > Math.max(this.hardState.commitIndex, this.appliedIndex);
  }

  finish(): void {
    const { source: { base } = { base: this.base }, rows = [] } = this.installation ?? {};
    const own = this.log.find(({ index }) => index === base.index);
    this.log = own?.term === base.term ? this.log.filter(({ index }) => index > base.index) : [];
    this.base = base;
    this.hardState = { ...this.hardState, commitIndex: base.index };
    this.appliedIndex = base.index;
    this.state = new Map(rows);
    this.installation = undefined;
  }

  #baseAt(index: number): LogBase {
    const upTo = this.log.filter((entry) => entry.index <= index);
    const newest = upTo.findLast(({ kind }) => kind === "configuration");
    const found: ConfigurationAt =
      newest?.kind === "configuration"
        ? { index: newest.index, configuration: newest.configuration }
        : this.base.configuration;
    return { index, term: upTo.at(-1)?.term ?? this.base.term, configuration: found };
  }

  #cut(from: number): void {
    this.log = this.log.filter(({ index }) => index < from);
  }

  #change(key: string, value: string | null): RowChange {
    if (value !== null) this.state.set(key, Buffer.from(value).toString("latin1"));
    else this.state.delete(key);
    return value === null ? { type: "delete", key: Buffer.from(key) } : put(key, value);
  }
}

function entryOf(kind: string, index: number, term: number, at: number): Entry {
  if (kind === "command") return command(index, term, `step ${at}`);
  return kind === "noop" ? noop(index, term) : configuration(index, term);
}
