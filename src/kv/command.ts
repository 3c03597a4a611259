import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Fingerprint } from "./fingerprint.ts";
import { readValue, type StoredValue } from "./pair.ts";

/** A command that this version does not know in full. Applying what it does know would part it from members that know more. */
export class UnknownCommandError extends Error {
  override readonly name = "UnknownCommandError";
}

/** What every command on one key has. */
interface KeyCommand {
  /** Never empty. */
  readonly key: Uint8Array;
  /** The key's mod_revision, 0 for "must not exist", or `undefined` for no condition. */
  readonly ifModRevision: bigint | undefined;
  readonly returnPrevious: boolean;
}

/** Writes a key. */
export interface Put extends KeyCommand {
  readonly kind: "put";
  readonly value: StoredValue;
}

/** Deletes a key. */
export interface Delete extends KeyCommand {
  readonly kind: "delete";
}

/** Adds to a key. */
export interface Increment extends KeyCommand {
  readonly kind: "increment";
  readonly delta: bigint;
}

/** What a command asks for. */
export type Operation = Put | Delete | Increment;

/** Which request of which session a command is. */
export interface RequestId {
  readonly clientId: string;
  readonly sequence: bigint;
  /** Every request below this has been answered; at least 1. */
  readonly firstPendingSequence: bigint;
}

/** A command, decoded. */
export interface DecodedCommand {
  readonly operation: Operation;
  /** `undefined` when the client gave none; the command is then applied every time that it is committed. */
  readonly requestId: RequestId | undefined;
}

const { Varint, LengthDelimited } = WireType;
const noBytes = new Uint8Array(0);
const emptyText: StoredValue = Object.freeze({ data: noBytes, text: true });

/**
 * Decodes a `Command`. Throws {@link UnknownCommandError} when it is damaged or has anything that this version does not know. Read
 * field by field, as every member does it for every command; a test holds it against the general decoder.
 */
export function decodeCommand(bytes: Uint8Array): DecodedCommand {
  try {
    return readCommand(new BinaryReader(bytes));
  } catch (cause) {
    if (cause instanceof UnknownCommandError) throw cause;
    throw new UnknownCommandError(`a command of ${bytes.length} bytes cannot be decoded`, { cause });
  }
}

function readCommand(reader: BinaryReader): DecodedCommand {
  let operation: Operation | undefined;
  let requestId: RequestId | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== LengthDelimited) throw unknownField("command", field);
    const end = endOfMessage(reader);
    // No encoder writes a message twice; a general decoder would make one of both.
    if ((field === 15 ? requestId : operation) !== undefined) throw unknownField("command", field);
    if (field === 15) requestId = readRequestId(reader, end);
    else operation = readOperation(field, reader, end);
    if (reader.pos !== end) throw new RangeError(`field ${field} ends at byte ${reader.pos}, not ${end}`);
  }
  if (operation === undefined) throw new UnknownCommandError("a command asks for nothing that this version knows");
  if (operation.key.length === 0) throw new UnknownCommandError(`a ${operation.kind} command has an empty key`);
  return { operation, requestId };
}

function readOperation(field: number, reader: BinaryReader, end: number): Operation {
  if (field === 1) return readPut(reader, end);
  if (field === 2) return readDelete(reader, end);
  if (field === 3) return readIncrement(reader, end);
  throw unknownField("command", field);
}

function readPut(reader: BinaryReader, end: number): Put {
  let key: Uint8Array = noBytes;
  let value = emptyText;
  let ifModRevision: bigint | undefined;
  let returnPrevious = false;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === LengthDelimited) key = reader.bytes();
    else if (field === 2 && wireType === LengthDelimited && value === emptyText) {
      value = readValue(reader, endOfMessage(reader), (unknown) => unknownField("value", unknown));
    } else if (field === 3 && wireType === Varint) ifModRevision = BigInt(reader.uint64());
    else if (field === 4 && wireType === Varint) returnPrevious = reader.bool();
    else throw unknownField("put", field);
  }
  return { kind: "put", key, ifModRevision, returnPrevious, value };
}

function readDelete(reader: BinaryReader, end: number): Delete {
  let key: Uint8Array = noBytes;
  let ifModRevision: bigint | undefined;
  let returnPrevious = false;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === LengthDelimited) key = reader.bytes();
    else if (field === 2 && wireType === Varint) ifModRevision = BigInt(reader.uint64());
    else if (field === 3 && wireType === Varint) returnPrevious = reader.bool();
    else throw unknownField("delete", field);
  }
  return { kind: "delete", key, ifModRevision, returnPrevious };
}

function readIncrement(reader: BinaryReader, end: number): Increment {
  let key: Uint8Array = noBytes;
  let delta = 0n;
  let ifModRevision: bigint | undefined;
  let returnPrevious = false;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === LengthDelimited) key = reader.bytes();
    else if (field === 2 && wireType === Varint) delta = BigInt(reader.sint64());
    else if (field === 3 && wireType === Varint) ifModRevision = BigInt(reader.uint64());
    else if (field === 4 && wireType === Varint) returnPrevious = reader.bool();
    else throw unknownField("increment", field);
  }
  return { kind: "increment", key, ifModRevision, returnPrevious, delta };
}

function readRequestId(reader: BinaryReader, end: number): RequestId {
  let clientId = "";
  let sequence = 0n;
  let firstPendingSequence = 0n;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === LengthDelimited) clientId = reader.string(true);
    else if (field === 2 && wireType === Varint) sequence = BigInt(reader.uint64());
    else if (field === 3 && wireType === Varint) firstPendingSequence = BigInt(reader.uint64());
    else throw unknownField("request id", field);
  }
  return { clientId, sequence, firstPendingSequence: firstPendingSequence === 0n ? 1n : firstPendingSequence };
}

/** Where the message ends whose length comes next. */
function endOfMessage(reader: BinaryReader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError(`a message of ${length} bytes goes beyond the end of the command`);
  return end;
}

function unknownField(what: string, field: number): UnknownCommandError {
  return new UnknownCommandError(`a ${what} has field ${field}, which this version does not know there`);
}

const kindNumbers = { put: 1, delete: 2, increment: 3 } as const;

/** Fingerprint of what is asked for. Equal for every attempt of a request, whatever else differs between them. */
export function fingerprintOf(operation: Operation): bigint {
  const fingerprint = new Fingerprint().word(kindNumbers[operation.kind]).bytes(operation.key);
  fingerprint.word((operation.returnPrevious ? 1 : 0) | (operation.ifModRevision === undefined ? 0 : 2));
  if (operation.ifModRevision !== undefined) fingerprint.long(operation.ifModRevision);
  if (operation.kind === "put") fingerprint.word(operation.value.text ? 1 : 0).bytes(operation.value.data);
  if (operation.kind === "increment") fingerprint.long(operation.delta);
  return fingerprint.digest();
}
