import { fromBinary, type Message } from "@bufbuild/protobuf";
import {
  type CommandId,
  CommandSchema,
  type DeleteCommand,
  type IncrementCommand,
  type PutCommand,
} from "../gen/raftkv/storage/v1/storage_pb.ts";
import { Fingerprint } from "./fingerprint.ts";
import type { StoredValue } from "./pair.ts";

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

const emptyText: StoredValue = Object.freeze({ data: new Uint8Array(0), text: true });

/** Decodes a `Command`. Throws {@link UnknownCommandError} when it is damaged or has anything that this version does not know. */
export function decodeCommand(bytes: Uint8Array): DecodedCommand {
  const message = parse(bytes);
  refuseUnknownFields(message, message.id, message.command.value);
  return { operation: operationOf(message.command), requestId: requestIdOf(message.id) };
}

function parse(bytes: Uint8Array) {
  try {
    return fromBinary(CommandSchema, bytes);
  } catch (cause) {
    throw new UnknownCommandError(`a command of ${bytes.length} bytes cannot be decoded`, { cause });
  }
}

type CommandCase =
  | { readonly case: "put"; readonly value: PutCommand }
  | { readonly case: "delete"; readonly value: DeleteCommand }
  | { readonly case: "increment"; readonly value: IncrementCommand }
  | { readonly case: undefined };

function operationOf(command: CommandCase): Operation {
  if (command.case === undefined) throw new UnknownCommandError("a command asks for nothing that this version knows");
  const { key, ifModRevision, returnPrevious } = command.value;
  if (key.length === 0) throw new UnknownCommandError(`a ${command.case} command has an empty key`);
  switch (command.case) {
    case "put": {
      const value = command.value.value;
      if (value !== undefined) refuseUnknownFields(value);
      return { kind: "put", key, ifModRevision, returnPrevious, value: value ?? emptyText };
    }
    case "delete":
      return { kind: "delete", key, ifModRevision, returnPrevious };
    case "increment":
      return { kind: "increment", key, ifModRevision, returnPrevious, delta: command.value.delta };
  }
}

function requestIdOf(id: CommandId | undefined): RequestId | undefined {
  if (id === undefined) return undefined;
  const firstPendingSequence = id.firstPendingSequence === 0n ? 1n : id.firstPendingSequence;
  return { clientId: id.clientId, sequence: id.sequence, firstPendingSequence };
}

function refuseUnknownFields(...messages: readonly (Message | undefined)[]): void {
  for (const message of messages) {
    if (message?.$unknown === undefined || message.$unknown.length === 0) continue;
    throw new UnknownCommandError(`a ${message.$typeName} has fields that this version does not know`);
  }
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
