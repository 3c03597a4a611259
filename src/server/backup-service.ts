import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import type { ServerWritableStream } from "@grpc/grpc-js";
import {
  type BackupRequest,
  type BackupResponse,
  BackupResponseSchema,
} from "../gen/raftkv/v1/maintenance_service_pb.ts";
import type { ReadOutcome } from "../replica/outcome.ts";
import type { StateAt } from "../replica/state-at.ts";
import type { OpenOutcome } from "../replica/state-opener.ts";
import type { BackupMetrics } from "./backup-metrics.ts";
import {
  administrationOverloadedRefusal,
  divergedRefusal,
  notProposedRefusal,
  readFailureRefusal,
  shuttingDownRefusal,
} from "./refusals.ts";
import { responseHeader } from "./response-header.ts";
import { type Decoded, Undecodable } from "./service-definition.ts";
import { type Refusal, statusOf } from "./status.ts";
import { type CallEnvironment, internalRefusal } from "./unary-call.ts";

type BackupStream = ServerWritableStream<Decoded<BackupRequest>, BackupResponse>;

/** A backup of a state, as the composition root makes it. */
export interface BackupPieces {
  /** Store revision of the state. */
  readonly revision: number;
  /** About how many bytes it comes to. */
  readonly sizeBytes: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Makes a backup of an open state. */
export type MakeBackup = (state: StateAt) => BackupPieces;

/** Streams backups, a few at a time: each keeps a snapshot of the state open for as long as its reader takes. */
export class BackupService {
  readonly #environment: CallEnvironment;
  readonly #make: MakeBackup;
  readonly #metrics: BackupMetrics;
  readonly #streams = new Set<BackupStream>();

  constructor(environment: CallEnvironment, make: MakeBackup, metrics: BackupMetrics) {
    this.#environment = environment;
    this.#make = make;
    this.#metrics = metrics;
  }

  /** Handler of Backup. */
  readonly handle = (stream: BackupStream): void => {
    const { request } = stream;
    const refusal = this.#arrivalRefusal(request);
    if (refusal !== undefined || request instanceof Undecodable) {
      if (refusal !== undefined) this.#refuse(stream, refusal);
      return;
    }
    this.#streams.add(stream);
    void this.#serve(stream, request.message).finally(() => this.#streams.delete(stream));
  };

  /** Ends every backup with `refusal`. */
  close(refusal: Refusal): void {
    for (const stream of this.#streams) this.#refuse(stream, refusal);
    this.#streams.clear();
  }

  #arrivalRefusal(request: Decoded<BackupRequest>): Refusal | undefined {
    if (request instanceof Undecodable) return request.refusal;
    if (this.#environment.draining) return shuttingDownRefusal(this.#environment);
    const limit = this.#environment.limits.backupsMax;
    if (this.#streams.size < limit) return undefined;
    return {
      reason: "OVERLOADED",
      message: `${this.#streams.size} backups are under way; the limit is ${limit}`,
      metadata: { pending: String(this.#streams.size), limit: String(limit) },
    };
  }

  async #serve(stream: BackupStream, { stale }: BackupRequest): Promise<void> {
    try {
      const state = await this.#open(stale);
      if ("reason" in state) {
        this.#refuse(stream, state);
        return;
      }
      this.#metrics.backupBegun();
      let sent = false;
      try {
        sent = await this.#send(stream, state);
      } finally {
        this.#metrics.backupEnded(sent ? "sent" : "broken_off");
        await state.snapshot.close();
      }
    } catch (error) {
      this.#refuse(stream, internalRefusal(error, stream.getPath(), this.#environment.logger));
    }
  }

  /** What was acknowledged before the call is in the state, unless it may be `stale`. */
  async #open(stale: boolean): Promise<StateAt | Refusal> {
    const environment = this.#environment;
    const { replica, limits } = environment;
    const deadlineMs = replica.now() + limits.defaultDeadlineMs;
    if (replica.isDiverged()) return divergedRefusal(environment);
    const failure = stale ? undefined : await this.#confirm(deadlineMs);
    if (failure !== undefined) return readFailureRefusal(failure, environment);
    const opened = await new Promise<OpenOutcome>((resolve) => replica.openState(deadlineMs, resolve));
    if (opened.type === "overloaded") return administrationOverloadedRefusal("backups", opened);
    if (opened.type === "refused")
      return notProposedRefusal(environment.draining ? "SHUTTING_DOWN" : "DEADLINE_EXCEEDED", environment);
    const { state } = opened;
    if (state.base.index > 0) return state;
    await state.snapshot.close();
    const refusal = notProposedRefusal("NO_LEADER", environment);
    return { ...refusal, message: `member ${environment.identity.name} has no state yet; ask another member` };
  }

  /** Waits until everything acknowledged so far is applied here. */
  async #confirm(deadlineMs: number): Promise<ReadOutcome> {
    const { replica } = this.#environment;
    for (;;) {
      const { outcome, current } = await new Promise<{ outcome: ReadOutcome; current: boolean }>((resolve) => {
        replica.readIndex({ deadlineMs, forward: true }, (outcome, isCurrent) =>
          resolve({ outcome, current: isCurrent() }),
        );
      });
      // A lease may have ended while the answer was on its way; at the deadline the replica refuses.
      if (outcome !== undefined || current) return outcome;
    }
  }

  /** Resolves to whether all of it was sent. */
  async #send(stream: BackupStream, state: StateAt): Promise<boolean> {
    const { revision, sizeBytes, pieces } = this.#make(state);
    const header = responseHeader(this.#environment, BigInt(revision));
    const info = { header, revision: BigInt(revision), index: BigInt(state.base.index), sizeBytes: BigInt(sizeBytes) };
    let first = true;
    for await (const data of pieces) {
      const response = create(BackupResponseSchema, { data, ...(first && { info }) });
      first = false;
      if (isGone(stream) || this.#cutOff(stream)) return false;
      this.#metrics.backupSentBytes(data.length);
      if (!stream.write(response)) await writable(stream);
    }
    if (isGone(stream) || this.#cutOff(stream)) return false;
    stream.end();
    return true;
  }

  /** Refuses the rest of a backup of a state that turns out to be wrong while it is sent. */
  #cutOff(stream: BackupStream): boolean {
    const diverged = this.#environment.replica.isDiverged();
    if (diverged) this.#refuse(stream, divergedRefusal(this.#environment));
    return diverged;
  }

  #refuse(stream: BackupStream, refusal: Refusal): void {
    this.#environment.onRefused(refusal.reason);
    stream.emit("error", statusOf(refusal));
  }
}

function isGone({ cancelled, destroyed }: BackupStream): boolean {
  return cancelled || destroyed;
}

/** Waits until the reader has taken what was sent, or is gone. */
async function writable(stream: BackupStream): Promise<void> {
  const over = new AbortController();
  const events = ["drain", "cancelled", "close"] as const;
  await Promise.race(events.map((event) => once(stream, event, { signal: over.signal }).catch(() => {})));
  over.abort();
}
