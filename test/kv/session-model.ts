import { type CommandInit, textOf } from "./driver.ts";

interface ModelSession {
  firstPending: number;
  lastUsedMs: number;
  readonly answers: Map<number, { readonly asked: string; readonly answer: string }>;
}

/** What the model is told of a request's id. */
export interface ModelId {
  readonly clientId: string;
  readonly sequence: number;
  readonly firstPending: number;
}

/** What a command came to, in the words of the model and of the test that compares. */
export type Execute = () => string;

/**
 * Sessions said in the plainest way: maps, no rows, no bounds on the work of a command. Knows no limits of number, so it is
 * compared with a state machine whose limits are out of reach.
 */
export class SessionModel {
  readonly #sessions = new Map<string, ModelSession>();
  readonly #ended = new Map<string, number>();
  readonly #idleMs: number;
  readonly #bucketMs: number;
  readonly #retentionMs: number;

  constructor(limits: { sessionIdleMs: number; expiryBucketMs: number; endedSessionRetentionMs: number }) {
    this.#idleMs = limits.sessionIdleMs;
    this.#bucketMs = limits.expiryBucketMs;
    this.#retentionMs = limits.endedSessionRetentionMs;
  }

  /** Live sessions and remembered ended ones. */
  get counts(): readonly [number, number] {
    return [this.#sessions.size, this.#ended.size];
  }

  /** Ends and forgets what is due at log time `nowMs`. */
  tidy(nowMs: number): void {
    for (const [id, endedMs] of this.#ended) if (endedMs + this.#retentionMs <= nowMs) this.#ended.delete(id);
    for (const [id, session] of this.#sessions) {
      if (this.#bucket(session.lastUsedMs) + this.#bucketMs + this.#idleMs > nowMs) continue;
      this.#sessions.delete(id);
      this.#ended.set(id, nowMs);
    }
  }

  /** What a request comes to at `nowMs`; `execute` is called when, and only when, it is to be applied. */
  request(id: ModelId, asked: CommandInit, nowMs: number, execute: Execute): string {
    const live = this.#sessions.get(id.clientId);
    if (live === undefined && (this.#ended.has(id.clientId) || id.firstPending > 1)) return "SESSION_EXPIRED";
    const session = live ?? { firstPending: 1, lastUsedMs: nowMs, answers: new Map() };
    session.lastUsedMs = nowMs;
    const firstPending = Math.max(session.firstPending, id.firstPending);
    if (id.sequence < firstPending) return "SEQUENCE_ANSWERED";
    const known = session.answers.get(id.sequence);
    const fingerprint = describeCommand(asked);
    if (known !== undefined) return known.asked === fingerprint ? known.answer : "SEQUENCE_REUSED";
    const answer = execute();
    session.firstPending = firstPending;
    session.answers.set(id.sequence, { asked: fingerprint, answer });
    this.#sessions.set(id.clientId, session);
    return answer;
  }

  #bucket(timeMs: number): number {
    return Math.floor(timeMs / this.#bucketMs) * this.#bucketMs;
  }
}

/** What a command asks for, without its id, as a text. */
function describeCommand({ command }: CommandInit): string {
  return JSON.stringify(command, (_key, field: unknown) => {
    if (typeof field === "bigint") return `${field}n`;
    return field instanceof Uint8Array ? textOf(field) : field;
  });
}
