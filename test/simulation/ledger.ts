import { decodeCommand } from "../../src/kv/command.ts";
import { decodePairRow } from "../../src/kv/pair.ts";
import type { MemberId } from "../../src/raft/configuration.ts";
import type { Index } from "../../src/raft/entry.ts";
import type { StateMachine, StateRows } from "../../src/replica/state-machine.ts";
import { decodeResult } from "../../src/server/key-value.ts";
import { check } from "./broken-rule.ts";
import type { Coverage } from "./coverage.ts";
import { hashBytes } from "./hash-bytes.ts";
import { rowHash, StateHash } from "./state-hash.ts";

const pairPrefix = 0x6b;

/** A key's value from one index on. */
export interface KeyVersion {
  readonly index: Index;
  /** `null`: there is no such key. */
  readonly value: string | null;
  readonly modRevision: number;
}

/** What applying one entry came to, on whichever member did it first. */
interface AppliedEntry {
  readonly commandHash: number;
  /** Of every row read by nobody, written or deleted, and of the result. */
  readonly effectHash: number;
  readonly resultHash: number;
  readonly timeMs: number;
}

/** Where and when a command was first applied by anybody. */
export interface Execution {
  readonly index: Index;
  readonly appliedAtMs: number;
}

/** A state machine that keeps figures about its rows in memory. */
type SurveyingMachine = StateMachine & Required<Pick<StateMachine, "survey">>;

/** What the members have applied, entry by entry: the first to apply one says what it comes to, the others must agree. */
export class Ledger {
  /** Largest index whose effects any client has been told of. */
  acknowledgedIndex: Index = 0;
  readonly #entries = new Map<Index, AppliedEntry>();
  readonly #versions = new Map<string, KeyVersion[]>();
  readonly #requests = new Map<string, Execution & { readonly result: number }>();
  readonly #commands = new Map<string, Execution[]>();
  /** Indexes of which it is known whose command stands there. */
  readonly #claimed = new Set<Index>();
  readonly #lastApplied = new Map<MemberId, Index>();
  /** What the state comes to after each entry that changed it, in order. */
  readonly #states: { readonly index: Index; readonly hash: number }[] = [{ index: 0, hash: 0 }];
  readonly #stateHash = new StateHash();
  readonly #rowHashes = new Map<string, number>();
  readonly #coverage: Coverage;
  readonly #nowMs: () => number;

  constructor(coverage: Coverage, nowMs: () => number) {
    this.#coverage = coverage;
    this.#nowMs = nowMs;
  }

  /** The state machine of one member, with everything that it does compared to what others did. */
  observe(memberId: MemberId, machine: SurveyingMachine, applying: (index: Index) => void): StateMachine {
    let lastIndex = 0;
    return {
      indexPrefix: machine.indexPrefix,
      inspect: (command) => machine.inspect(command),
      survey: () => machine.survey(),
      apply: (command, context, rows) => {
        const { index, timeMs } = context;
        check(index > lastIndex, "applied in order", () => `${memberId} applies ${index} after ${lastIndex}`);
        lastIndex = index;
        if (index <= (this.#lastApplied.get(memberId) ?? 0)) this.#coverage.saw("appliedAgainAfterRestart");
        this.#lastApplied.set(memberId, index);
        applying(index);
        const recorder = new RecordingRows(rows);
        const result = machine.apply(command, context, recorder);
        const resultHash = hashBytes(result, 0);
        const entry = {
          commandHash: hashBytes(command, 0),
          effectHash: recorder.hash ^ resultHash,
          resultHash,
          timeMs,
        };
        this.#note(memberId, index, entry, { command, result, recorder });
        return result;
      },
    };
  }

  /** What a member has durably must be the state at its durable applied index, nothing more and nothing less. */
  checkState(memberId: MemberId, appliedIndex: Index, stateHash: number): void {
    const due = this.#states.findLast(({ index }) => index <= appliedIndex);
    check(
      due?.hash === stateHash,
      "the durable state is that of its index",
      () => `${memberId} has applied ${appliedIndex} durably, and its rows are those of another state`,
    );
  }

  /** What a key held when everything up to `index` was applied. */
  versionAt(key: string, index: Index): KeyVersion {
    const versions = this.#versions.get(key) ?? [];
    for (let at = versions.length - 1; at >= 0; at--) {
      const version = versions[at];
      if (version !== undefined && version.index <= index) return version;
    }
    return { index: 0, value: null, modRevision: 0 };
  }

  /** Whether a command of these very bytes was ever applied. */
  wasApplied(command: Uint8Array): boolean {
    return this.#commands.has(nameOf(command));
  }

  /** A client was told that its command was applied at `index`, with this result: so it must be. */
  acknowledged(command: Uint8Array, index: Index, result: Uint8Array): void {
    const applied = this.#commands.get(nameOf(command))?.some((execution) => execution.index === index) === true;
    check(applied, "acknowledged is applied", () => `another command was applied at ${index}, or none`);
    const entry = this.#entries.get(index);
    check(entry?.resultHash === hashBytes(result, 0), "answers are those of the state machine", () => `at ${index}`);
    this.#claimed.add(index);
    this.acknowledgedIndex = Math.max(this.acknowledgedIndex, index);
  }

  /**
   * Where a command without a request id was applied that nobody was told of: the first index after `sinceMs` that no one
   * else has claimed. Commands of the same bytes stand for each other, so that it does not matter which gets which.
   */
  claim(command: Uint8Array, sinceMs: number): Execution | undefined {
    const executions = this.#commands.get(nameOf(command)) ?? [];
    const own = executions.find(({ index, appliedAtMs }) => appliedAtMs >= sinceMs && !this.#claimed.has(index));
    if (own !== undefined) this.#claimed.add(own.index);
    return own;
  }

  /** Where a request of a session was executed, if it was. */
  executionOf({ clientId, sequence }: { readonly clientId: string; readonly sequence: number }): Execution | undefined {
    return this.#requests.get(`${clientId}/${sequence}`);
  }

  #note(memberId: MemberId, index: Index, entry: AppliedEntry, applied: Applied): void {
    const known = this.#entries.get(index);
    if (known === undefined) {
      this.#entries.set(index, entry);
      this.#noteFirst(index, applied);
      return;
    }
    const told = (what: string) => () => `${memberId} applies another ${what} at ${index} than others did`;
    check(known.commandHash === entry.commandHash, "state machine safety", told("command"));
    check(known.timeMs === entry.timeMs, "state machine safety", told("time"));
    check(known.effectHash === entry.effectHash, "state machine determinism", told("effect"));
  }

  #noteFirst(index: Index, { command, result, recorder }: Applied): void {
    const name = nameOf(command);
    const execution = { index, appliedAtMs: this.#nowMs() };
    const executions = this.#commands.get(name);
    if (executions === undefined) this.#commands.set(name, [execution]);
    else executions.push(execution);
    for (const { key, value } of recorder.changes) {
      const row = nameOf(key);
      const after = rowHash(key, value);
      this.#stateHash.change(this.#rowHashes.get(row) ?? 0, after);
      this.#rowHashes.set(row, after);
    }
    this.#states.push({ index, hash: this.#stateHash.value });
    for (const [key, row] of recorder.pairs()) {
      const versions = this.#versions.get(key) ?? [];
      this.#versions.set(key, versions);
      const pair = row === null ? undefined : decodePairRow(row);
      const value = pair === undefined ? null : Buffer.from(pair.value.data).toString();
      versions.push({ index, value, modRevision: Number(pair?.modRevision ?? 0) });
    }
    this.#noteRequest(index, { command, result, recorder });
  }

  /** Exactly once: a request of a session has its effect at one index, and the same answer wherever it is repeated. */
  #noteRequest(index: Index, { command, result, recorder }: Applied): void {
    const { requestId } = decodeCommand(command);
    if (requestId === undefined) return;
    const name = `${requestId.clientId}/${requestId.sequence}`;
    const before = this.#requests.get(name);
    const refused = decodeResult(result).result.case === "failure";
    if (before === undefined) {
      if (!refused) this.#requests.set(name, { index, appliedAtMs: this.#nowMs(), result: hashBytes(result, 0) });
      return;
    }
    check(
      recorder.pairs().size === 0,
      "exactly once",
      () => `request ${name} took effect at ${before.index} and again at ${index}`,
    );
    if (refused) return;
    this.#coverage.saw("answeredFromSession");
    check(
      hashBytes(result, 0) === before.result,
      "stable answers",
      () => `request ${name} was answered differently at ${before.index} and ${index}`,
    );
  }
}

interface Applied {
  readonly command: Uint8Array;
  readonly result: Uint8Array;
  readonly recorder: RecordingRows;
}

/** Passes rows on, and remembers what was done to them: only a hash of it is looked at on most members. */
class RecordingRows implements StateRows {
  hash = 0;
  /** Rows written, with no value when deleted, in order. */
  readonly changes: { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[] = [];
  readonly #rows: StateRows;

  constructor(rows: StateRows) {
    this.#rows = rows;
  }

  /** Pairs as they were written last, or `null` when deleted, by their key. */
  pairs(): Map<string, Uint8Array | null> {
    const pairs = this.changes.filter(({ key }) => key[0] === pairPrefix);
    return new Map(pairs.map(({ key, value }) => [Buffer.from(key.subarray(1)).toString(), value ?? null]));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#rows.get(key);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.hash = hashBytes(value, hashBytes(key, this.hash + 1));
    this.changes.push({ key, value });
    this.#rows.put(key, value);
  }

  delete(key: Uint8Array): void {
    this.hash = hashBytes(key, this.hash + 2);
    this.changes.push({ key, value: undefined });
    this.#rows.delete(key);
  }

  firstIndexKey(start: Uint8Array, end: Uint8Array): Uint8Array | undefined {
    return this.#rows.firstIndexKey(start, end);
  }
}

function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
