import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import {
  type BackupInfo,
  BackupRequestSchema,
  BackupResponseSchema,
  MaintenanceService,
} from "../gen/raftkv/v1/maintenance_service_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { fromServiceError, localFailure } from "./call-failure.ts";
import { ClientError } from "./client-error.ts";

/** Longest piece accepted, bytes: one row of any size, with what is around it. */
const pieceBytesMax = 96 * 1024 * 1024;

/** A backup on its way from a member. */
export interface BackupStream {
  /** Store revision of the state. */
  readonly revision: number;
  /** Index of the log at which it stands. */
  readonly index: number;
  /** About how many bytes the file will have. */
  readonly sizeBytes: number;
  /** The file, piece by piece; to be read to its end, or left early with `return`. Throws {@link ClientError}. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** How a backup is asked for. */
export interface BackupStreamOptions {
  /** What the member has, without asking the leader first. */
  readonly stale: boolean;
  /** How long to wait for a connection and the first piece, milliseconds; later ones may take any time. */
  readonly timeoutMs: number;
}

/** Asks one member for a backup of its state. Rejects with {@link ClientError} when it does not begin in time. */
export async function openBackupStream(address: string, options: BackupStreamOptions): Promise<BackupStream> {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": pieceBytesMax,
    "grpc.service_config_disable_resolution": 1,
  });
  const pieces = receive(client, address, options);
  const first = await pieces.next();
  const info = first.value?.info;
  if (first.done === true || info === undefined) {
    await pieces.return(undefined);
    throw new ClientError(localFailure("INTERNAL", `${address}: a backup without its facts`, true), "not-applied");
  }
  return { ...factsOf(info), pieces: dataOf(first.value.data, pieces) };
}

interface Piece {
  readonly info: BackupInfo | undefined;
  readonly data: Uint8Array;
}

async function* receive(
  client: Client,
  address: string,
  options: BackupStreamOptions,
): AsyncGenerator<Piece, undefined> {
  const { backup } = MaintenanceService.method;
  const call = client.makeServerStreamRequest(
    `/${backup.parent.typeName}/${backup.name}`,
    (request: Uint8Array) => Buffer.from(request),
    (bytes: Buffer) => fromBinary(BackupResponseSchema, bytes),
    toBinary(BackupRequestSchema, create(BackupRequestSchema, { stale: options.stale })),
  );
  const late = setTimeout(() => call.cancel(), options.timeoutMs);
  let begun = false;
  try {
    for await (const { info, data } of call) {
      begun = true;
      clearTimeout(late);
      yield { info, data };
    }
    return undefined;
  } catch (error) {
    const failure = begun || !isCancelled(error) ? fromServiceError(error as ServiceError, address) : undefined;
    const silent = localFailure("DEADLINE_EXCEEDED", `${address}: no backup within ${options.timeoutMs} ms`, true);
    throw new ClientError(failure ?? silent, "not-applied");
  } finally {
    clearTimeout(late);
    call.cancel();
    client.close();
  }
}

function isCancelled(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === 1;
}

/** No generator: one that is left before its first piece runs none of its code, and the call would go on for ever. */
function dataOf(first: Uint8Array, rest: AsyncGenerator<Piece, undefined>): AsyncIterable<Uint8Array> {
  let unread: Uint8Array | undefined = first;
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    const value = unread;
    unread = undefined;
    if (value !== undefined) return { done: false, value };
    const result = await rest.next();
    return result.done === true ? result : { done: false, value: result.value.data };
  };
  const leave = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    await rest.return(undefined);
    return { done: true, value: undefined };
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
}

function factsOf({ revision, index, sizeBytes }: BackupInfo) {
  return {
    revision: toSafeNumber(revision, "revision of the backup"),
    index: toSafeNumber(index, "index of the backup"),
    sizeBytes: toSafeNumber(sizeBytes, "size of the backup"),
  };
}
