// What `raftkv/raft` exports: the consensus core, to be driven by a loop of the embedder's own (docs/embedding.md).

export type { Configuration, ConfigurationMember, MemberId } from "./configuration.ts";
export { votersOnly } from "./configuration.ts";
export type { Entry, HardState, Index, LogPosition, Term } from "./entry.ts";
export type { InstallStart } from "./install.ts";
export type { LogBase } from "./log-base.ts";
export type { Message } from "./message.ts";
export { defaultRaftOptions, type RaftOptions } from "./options.ts";
export { RaftNode } from "./raft-node.ts";
export type { LogRead, ReadState, Role } from "./raft-state.ts";
export { type Random, seededRandom } from "./random.ts";
export type { ProposeResult, Ready, Write } from "./ready.ts";
export type { RecoveredMember } from "./recover-state.ts";
