import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { bufferOver } from "./deliver-method.ts";
import { plainView } from "./incoming-stream.ts";
import { type Gatekeepers, introducePeer } from "./introduce-peer.ts";
import type { PeerTransportHandlers } from "./peer-transport.ts";
import { type RefusalReason, refusalStatus } from "./refusal.ts";
import { decodeSnapshotCall, encodeSnapshotChunk, type SnapshotCall } from "./snapshot-codec.ts";
import type { TransportLimits } from "./transport-options.ts";

/** What the service needs of its transport. */
export interface SnapshotServiceContext extends Gatekeepers {
  readonly limits: TransportLimits;
  readonly logger: Logger;
  readonly handlers: PeerTransportHandlers;
}

/** What a call comes to. */
type Answer = { readonly bytes: Uint8Array } | { readonly reason: RefusalReason; readonly message: string };

/** The answering side of `RaftService.FetchSnapshotChunk`: checks who asks as a stream's hello is checked, then asks the replica. */
export class SnapshotService {
  readonly #context: SnapshotServiceContext;
  #underWay = 0;
  #closed = false;

  constructor(context: SnapshotServiceContext) {
    this.#context = context;
  }

  /** Handler of the call; never throws. */
  readonly fetch = (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>): void => {
    const { fetchesMax } = this.#context.limits;
    if (this.#underWay >= fetchesMax) {
      respond(refusalStatus("TOO_MANY_FETCHES", `${fetchesMax} requests for snapshots are being answered already`));
      return;
    }
    this.#underWay++;
    void this.#answer(call.request).then((answer) => {
      this.#underWay--;
      if ("bytes" in answer) respond(null, bufferOver(answer.bytes));
      else this.#refuse(call, respond, answer);
    });
  };

  /** Answers nothing any more. */
  close(): void {
    this.#closed = true;
  }

  async #answer(bytes: Buffer): Promise<Answer> {
    let call: SnapshotCall;
    try {
      call = decodeSnapshotCall(plainView(bytes));
    } catch (error) {
      return { reason: "MALFORMED_FRAME", message: messageOf(error) };
    }
    const mismatch = await introducePeer(call.hello, this.#context);
    if (this.#closed) return { reason: "SHUTTING_DOWN", message: "this member is shutting down" };
    return mismatch ?? (await this.#fetch(call));
  }

  async #fetch({ hello, request }: SnapshotCall): Promise<Answer> {
    const { handlers, limits } = this.#context;
    try {
      // Leaves room for one more row, as large as a request may be, or for the names of 100,000 files.
      const bytesMax = Math.min(request.bytesMax, limits.frameBytesMax / 2);
      const bytes = encodeSnapshotChunk(await handlers.onSnapshotChunk(hello.fromMemberId, { ...request, bytesMax }));
      if (bytes.length <= limits.frameBytesMax) return { bytes };
      const message = `a chunk of ${bytes.length} bytes is larger than the ${limits.frameBytesMax} that may be sent`;
      return { reason: "SNAPSHOT_UNAVAILABLE", message };
    } catch (error) {
      const gone = error instanceof RaftKvError && error.code === "SNAPSHOT_GONE";
      return { reason: gone ? "SNAPSHOT_GONE" : "SNAPSHOT_UNAVAILABLE", message: messageOf(error) };
    }
  }

  #refuse(
    call: ServerUnaryCall<Buffer, Buffer>,
    respond: sendUnaryData<Buffer>,
    { reason, message }: { readonly reason: RefusalReason; readonly message: string },
  ): void {
    const facts = { remoteAddress: call.getPeer(), reason, error: message };
    if (reason !== "SNAPSHOT_GONE") this.#context.logger.warn(facts, "request for a snapshot refused");
    respond(refusalStatus(reason, message));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
