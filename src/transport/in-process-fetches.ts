import { RaftKvError } from "../lib/errors.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { InProcessTransport } from "./in-process-transport.ts";
import type { SnapshotChunk } from "./snapshot-transfer.ts";
import type { TransportLimits } from "./transport-options.ts";

/** A request for a part of a snapshot that has not ended. */
interface Fetch {
  readonly from: MemberId;
  readonly target: InProcessTransport;
  readonly lose: (why: string) => void;
}

/** Requests for parts of snapshots, asked and answered, of one in-process transport. */
export class InProcessFetches {
  readonly #limits: Pick<TransportLimits, "fetchesMax" | "fetchTimeoutMs">;
  readonly #asked = new Set<Fetch>();
  #answering = 0;

  constructor(limits: Pick<TransportLimits, "fetchesMax" | "fetchTimeoutMs">) {
    this.#limits = limits;
  }

  /** Asks a peer; see {@link PeerTransport.fetchSnapshotChunk}. */
  fetch(
    from: MemberId,
    target: InProcessTransport | undefined,
    ask: (target: InProcessTransport) => Promise<SnapshotChunk>,
  ): Promise<SnapshotChunk> {
    if (target === undefined) return Promise.reject(unreachable(`member ${from} cannot be reached`));
    const { fetchTimeoutMs } = this.#limits;
    return new Promise((resolve, reject) => {
      const fetch = { from, target, lose: (why: string) => end(() => reject(unreachable(why))) };
      const timer = setTimeout(() => fetch.lose(`no answer within ${fetchTimeoutMs} ms`), fetchTimeoutMs);
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#asked.delete(fetch);
        settle();
      };
      this.#asked.add(fetch);
      ask(target).then(
        (chunk) => end(() => resolve(chunk)),
        (error: Error) => end(() => reject(error)),
      );
    });
  }

  /** Ends the requests whose answer will not come. */
  endWhere(lost: (from: MemberId, target: InProcessTransport) => boolean): void {
    for (const { from, target, lose } of [...this.#asked]) if (lost(from, target)) lose(`member ${from} is gone`);
  }

  /** Answers a request, if not too many are being answered; `undefined` refuses it. */
  async answer(fetch: () => Promise<SnapshotChunk | undefined>): Promise<SnapshotChunk> {
    const { fetchesMax } = this.#limits;
    if (this.#answering >= fetchesMax) throw unreachable(`${fetchesMax} requests are being answered already`);
    this.#answering++;
    try {
      const chunk = await fetch();
      if (chunk !== undefined) return chunk;
    } catch (error) {
      if (error instanceof RaftKvError && error.code === "SNAPSHOT_GONE") throw error;
      throw unreachable(error instanceof Error ? error.message : String(error), error);
    } finally {
      this.#answering--;
    }
    throw unreachable("the peer refuses this member");
  }
}

function unreachable(why: string, cause?: unknown): RaftKvError {
  return new RaftKvError("PEER_UNREACHABLE", `no part of a snapshot: ${why}`, { cause });
}
