import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { IncomingFilesSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { RaftKvError } from "../lib/errors.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { logBaseFromMessage, logBaseToMessage } from "./base-row.ts";
import { wrapRow } from "./checksummed-row.ts";
import { createFile } from "./data-directory.ts";
import type { EngineFile } from "./engine-home.ts";
import type { InstallationSource } from "./installation.ts";
import { readMessage } from "./message-row.ts";
import { systemCode } from "./system-code.ts";

/** Files that stand beside an engine's own in a directory with a number; neither engine looks at files of such names. */
export const besideFiles = {
  /** What is to come, and from where. */
  description: "incoming",
  /** All of it is here. */
  received: "received",
  /** The engine here is that of the data directory. */
  adopted: "adopted",
} as const;

/** What is on its way into a directory. */
export interface IncomingDescription {
  readonly source: InstallationSource;
  /** In the order in which they come. */
  readonly files: readonly EngineFile[];
}

/** Files that an engine is made of at most: far more than one that holds what a member can hold. */
const filesMax = 100_000;

const engineFileName = /^(?:CURRENT|MANIFEST-\d{1,20}|\d{1,20}\.(?:log|ldb|sst))$/;

const checksumKey = Buffer.from(besideFiles.description);

/** Writes the description of what is to come into its directory, durably. */
export function writeDescription(directory: string, { source, files }: IncomingDescription): Promise<void> {
  const message = create(IncomingFilesSchema, {
    snapshotId: source.snapshotId,
    fromMemberId: source.from,
    base: logBaseToMessage(source.base),
    files: files.map(({ name, size }) => ({ name, sizeBytes: BigInt(size) })),
  });
  const content = wrapRow(checksumKey, toBinary(IncomingFilesSchema, message));
  return createFile(join(directory, besideFiles.description), content);
}

/** Reverses {@link writeDescription}; `undefined` where there is none, or one that makes no sense. Rejects as reading a file does. */
export async function readDescription(directory: string): Promise<IncomingDescription | undefined> {
  try {
    return decodeDescription(await readFile(join(directory, besideFiles.description)));
  } catch (error) {
    const code = systemCode(error);
    if (error instanceof RaftKvError || code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function decodeDescription(content: Uint8Array): IncomingDescription {
  const what = "description of incoming files";
  const message = readMessage(checksumKey, content, IncomingFilesSchema, what);
  const base = logBaseFromMessage(message.base, what);
  const files = message.files.map(({ name, sizeBytes }) => ({
    name,
    size: toSafeNumber(sizeBytes, `size of ${name}`),
  }));
  checkEngineFiles(files);
  return { source: { snapshotId: message.snapshotId, from: message.fromMemberId, base }, files };
}

/**
 * Throws `STATE_CORRUPT` unless these can be the files of one engine: a peer that is broken must not write anywhere else, nor
 * make a directory that an engine takes for an empty one.
 */
export function checkEngineFiles(files: readonly EngineFile[]): void {
  if (files.length > filesMax) throw impossible(`${files.length} of them; at most ${filesMax} can be`);
  const names = new Set<string>();
  let totalBytes = 0;
  for (const { name, size } of files) {
    if (!engineFileName.test(name)) throw impossible(`${JSON.stringify(name.slice(0, 64))} is no name of one`);
    if (names.has(name)) throw impossible(`${name} comes twice`);
    if (!Number.isSafeInteger(size) || size < 0) throw impossible(`${name} has ${size} bytes`);
    names.add(name);
    totalBytes += size;
  }
  if (!Number.isSafeInteger(totalBytes)) throw impossible(`they have ${totalBytes} bytes`);
  if (!names.has("CURRENT")) throw impossible("CURRENT is missing");
  if (![...names].some((name) => name.startsWith("MANIFEST-"))) throw impossible("the manifest is missing");
}

function impossible(what: string): RaftKvError {
  return new RaftKvError("STATE_CORRUPT", `the files that another member sends are none of an engine: ${what}`);
}
