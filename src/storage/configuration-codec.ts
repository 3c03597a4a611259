import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ConfigurationMemberSchema,
  type Configuration as ConfigurationMessage,
  ConfigurationSchema,
} from "../gen/raftkv/storage/v1/storage_pb.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { Configuration, MemberId } from "../raft/configuration.ts";

/** Payload of a configuration entry. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  return toBinary(ConfigurationSchema, configurationToMessage(configuration));
}

/** Reverses {@link encodeConfiguration}. Throws `STATE_CORRUPT` when the bytes or the invariants do not hold. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  let message: ConfigurationMessage;
  try {
    message = fromBinary(ConfigurationSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new RaftKvError("STATE_CORRUPT", `configuration of ${bytes.length} bytes cannot be decoded`, { cause });
  }
  return configurationFromMessage(message);
}

/** The message that directories embed; see {@link encodeConfiguration}. */
export function configurationToMessage(configuration: Configuration): ConfigurationMessage {
  return create(ConfigurationSchema, {
    voters: [...configuration.voters],
    outgoingVoters: [...configuration.outgoingVoters],
    learners: [...configuration.learners],
    nextLearners: [...configuration.nextLearners],
    members: configuration.members.map(({ id, name, peerAddress, keepLearner = false }) =>
      create(ConfigurationMemberSchema, { id, name, peerAddress, keepLearner }),
    ),
  });
}

/** Reverses {@link configurationToMessage}. Throws `STATE_CORRUPT` when an invariant of a configuration does not hold. */
export function configurationFromMessage(message: ConfigurationMessage): Configuration {
  const { voters, outgoingVoters, learners, nextLearners } = message;
  const members = message.members.map(({ id, name, peerAddress, keepLearner }) =>
    keepLearner ? { id, name, peerAddress, keepLearner } : { id, name, peerAddress },
  );
  const memberIds = members.map((member) => member.id);
  checkOrdered(memberIds, "members");
  const known = new Set(memberIds);
  for (const [what, ids] of Object.entries({ voters, outgoingVoters, learners, nextLearners })) {
    checkOrdered(ids, what);
    const stranger = ids.find((id) => !known.has(id));
    if (stranger !== undefined) throw corrupt(`${what} name ${stranger}, which is no member`);
  }
  const both = learners.find((id) => voters.includes(id));
  if (both !== undefined) throw corrupt(`${both} is both voter and learner`);
  return { voters, outgoingVoters, learners, nextLearners, members };
}

function checkOrdered(ids: readonly MemberId[], what: string): void {
  let previous = "";
  for (const id of ids) {
    if (id <= previous) throw corrupt(`${what} are not ordered, or repeat, at "${id}"`);
    previous = id;
  }
}

function corrupt(what: string): RaftKvError {
  return new RaftKvError("STATE_CORRUPT", `configuration: ${what}`);
}
