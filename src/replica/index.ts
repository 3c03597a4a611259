// What `raftkv/replica` exports: a member with a state machine of the embedder's own, and its ports (docs/embedding.md).

export type { ChangeOutcome, TransferOutcome } from "./administration.ts";
export type { CompactionOptions } from "./compaction-policy.ts";
export type { CompactionOutcome } from "./compactor.ts";
export type { HashOutcome } from "./hash-waiters.ts";
export type { IntegrityStatus } from "./integrity.ts";
export type { IntegrityOptions } from "./integrity-options.ts";
export type { MembershipEdit } from "./membership-edit.ts";
export type { DropReason, ProposalOutcome, ReadDone, ReadFailure, ReadOutcome } from "./outcome.ts";
export { Replica } from "./replica.ts";
export type { CallOptions, ReplicaDependencies } from "./replica-dependencies.ts";
export { type ReplicaMetrics, silentMetrics } from "./replica-metrics.ts";
export { defaultReplicaOptions, type ReplicaOptions } from "./replica-options.ts";
export type { ReplicaStatus } from "./replica-status.ts";
export { processRuntime, type Runtime } from "./runtime.ts";
export type { SnapshotOptions } from "./snapshot-options.ts";
export type { StateAt } from "./state-at.ts";
export type { StateHash } from "./state-hash.ts";
export type { ApplyContext, CommandNature, RowSurvey, StateMachine, StateRows } from "./state-machine.ts";
export type { OpenOutcome } from "./state-opener.ts";
export type { Overloaded } from "./waiting-calls.ts";
