import { electionMutations } from "./election-mutations.ts";
import { fileMutations } from "./file-mutations.ts";
import { healthMutations } from "./health-mutations.ts";
import { integrityMutations } from "./integrity-mutations.ts";
import { leaseMutations } from "./lease-mutations.ts";
import { membershipMutations } from "./membership-mutations.ts";
import type { Mutation } from "./mutation.ts";
import { readMutations } from "./read-mutations.ts";
import { replicaMutations } from "./replica-mutations.ts";
import { replicationMutations } from "./replication-mutations.ts";
import { snapshotMutations } from "./snapshot-mutations.ts";
import { stateMachineMutations } from "./state-machine-mutations.ts";
import { storageMutations } from "./storage-mutations.ts";

/** Every mutation, by number. */
export const mutations: readonly Mutation[] = [
  ...electionMutations,
  ...replicationMutations,
  ...membershipMutations,
  ...readMutations,
  ...leaseMutations,
  ...snapshotMutations,
  ...storageMutations,
  ...stateMachineMutations,
  ...replicaMutations,
  ...healthMutations,
  ...integrityMutations,
  ...fileMutations,
];
