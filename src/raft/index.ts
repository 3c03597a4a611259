// What `raftkv/raft` exports: the consensus core, to be driven by a loop of the embedder's own (docs/embedding.md).

export { EntriesLostError, RaftInvariantError } from "./assert.ts";
export type { Configuration, ConfigurationMember, MemberId } from "./configuration.ts";
export { isJoint, isVoter, votersOnly } from "./configuration.ts";
export {
  type MembershipTarget,
  targetOf,
  withLearner,
  withPromoted,
  withRemoved,
} from "./configuration-change.ts";
export type { ConfigurationAt } from "./configuration-history.ts";
export type {
  CommandEntry,
  ConfigurationEntry,
  Entry,
  HardState,
  Index,
  LogPosition,
  NoopEntry,
  Term,
} from "./entry.ts";
export type { InflightLimits } from "./inflights.ts";
export type { InstallStart } from "./install.ts";
export type { LogBase } from "./log-base.ts";
export type { ChangeRefusal } from "./membership.ts";
export type { Message } from "./message.ts";
export { defaultRaftOptions, type LeaseOptions, type RaftOptions } from "./options.ts";
export type { RecoveredLog, TermRun } from "./raft-log.ts";
export { RaftNode } from "./raft-node.ts";
export type { LogRead, ReadState, Role, SnapshotToFetch } from "./raft-state.ts";
export { type Random, seededRandom } from "./random.ts";
export type { ProposeResult, Ready, Write } from "./ready.ts";
export type { RecoveredMember } from "./recover-state.ts";
export type { TransferRefusal } from "./transfer.ts";
