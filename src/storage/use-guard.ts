import { RaftKvError } from "../lib/errors.ts";

/**
 * Whether something durable may still be used. It starts open, and ends closed or failed; a failure outlives a close.
 *
 * A failed write or sync is never repeated: the kernel may have marked the pages clean, and a second sync would then
 * succeed over data that is gone.
 */
export class UseGuard {
  /** Resolves with the first failure; never rejects. */
  readonly failure: Promise<RaftKvError>;
  readonly #what: string;
  #failure: RaftKvError | undefined;
  #tell: (failure: RaftKvError) => void = () => {};
  #closed = false;

  /** `what` names the guarded thing in messages. */
  constructor(what: string) {
    this.#what = what;
    this.failure = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  /** Throws what {@link fail} gave after a failure, and `STORE_CLOSED` after a close. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed) throw new RaftKvError("STORE_CLOSED", `${this.#what} is closed`);
  }

  /**
   * Refuses everything from now on, and gives the error to reject with: `WRITE_FAILED`, or `cause` itself where that is damage. The first
   * failure is the one that is kept.
   */
  fail(cause: unknown): RaftKvError {
    this.#failure ??= writeFailed(this.#what, cause);
    this.#tell(this.#failure);
    return this.#failure;
  }

  /** Whether a failure was noted. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Refuses everything from now on. */
  close(): void {
    this.#closed = true;
  }
}

/** Of errors that say themselves what became of the write, or what is to be done. */
const keptCodes: ReadonlySet<string> = new Set(["WRITE_FAILED", "LOG_CORRUPT", "STATE_CORRUPT"]);

function writeFailed(what: string, cause: unknown): RaftKvError {
  if (cause instanceof RaftKvError && keptCodes.has(cause.code)) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RaftKvError("WRITE_FAILED", `${what}: a write failed and its outcome is unknown (${reason})`, { cause });
}
