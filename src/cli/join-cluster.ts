import { setTimeout as sleep } from "node:timers/promises";
import { createClusterAdmin, type ListedMember, type MemberList } from "../client/cluster-admin.ts";
import type { MemberConfig } from "../config/member-config.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { StoreOwner } from "../storage/open-member-store.ts";

/** Times of {@link joinCluster}, milliseconds. */
export interface JoinTimes {
  /** How long to wait to be listed. Default 10 minutes. */
  readonly timeoutMs?: number;
  /** Time between two questions. Default 500. */
  readonly intervalMs?: number;
}

/** Longest that one question may take, over all endpoints, milliseconds. */
const askMsMax = 5_000;

type Joining = Pick<MemberConfig, "name" | "advertisePeerAddress" | "join">;

/**
 * Asks the cluster behind `join` until it lists this member as a learner, and tells who the member is then. It starts with a
 * configuration without voters: it can neither campaign nor count until the log tells it so.
 * Rejects with `JOIN_FAILED` when the time is up.
 */
export async function joinCluster(config: Joining, logger: Logger, times: JoinTimes = {}): Promise<StoreOwner> {
  const { timeoutMs = 600_000, intervalMs = 500 } = times;
  const [first, ...rest] = config.join;
  if (first === undefined) throw new RaftKvError("JOIN_FAILED", "no member to ask is configured");
  const admin = createClusterAdmin([first, ...rest], Math.min(askMsMax, timeoutMs));
  const deadlineMs = performance.now() + timeoutMs;
  try {
    for (let told = ""; ; ) {
      const problem = await admin.list().then(
        (list) => joinProblem(config, list) ?? list,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (typeof problem !== "string") return ownerOf(config, problem, logger);
      if (problem !== told) logger.warn({ join: config.join, problem }, "waiting to be a member of the cluster");
      told = problem;
      if (performance.now() + intervalMs >= deadlineMs) {
        throw new RaftKvError("JOIN_FAILED", `not a member of the cluster after ${timeoutMs} ms: ${problem}`);
      }
      await sleep(intervalMs);
    }
  } finally {
    admin.close();
  }
}

/** What stands in the way of joining, and what to do; `undefined` when nothing does. */
function joinProblem(config: Joining, list: MemberList): string | undefined {
  const { name, advertisePeerAddress: address } = config;
  const listed = find(config, list);
  if (listed === undefined) return `${name} is no member yet: raftkv member add ${name} --peer-address ${address}`;
  if (listed.peerAddress !== address) {
    return `${name} is listed at ${listed.peerAddress}, and this one advertises the peer address ${address}`;
  }
  // Whoever votes has acknowledged entries and given votes, none of which an empty directory knows of.
  if (listed.role !== "learner") {
    const remedy = `raftkv member replace ${name} ${name} --peer-address ${address}`;
    return `${name} has voted as ${listed.memberId}, and this directory is empty, so it must come back as another: ${remedy}`;
  }
  return undefined;
}

function ownerOf(config: Joining, list: MemberList, logger: Logger): StoreOwner {
  const memberId = find(config, list)?.memberId ?? "";
  const members = list.members.map((member) => ({
    id: member.memberId,
    name: member.name,
    peerAddress: member.peerAddress,
  }));
  logger.info({ clusterId: list.clusterId, memberId, members: members.length }, "joining the cluster");
  return {
    clusterId: list.clusterId,
    memberId,
    bootstrapConfiguration: {
      voters: [],
      outgoingVoters: [],
      learners: [],
      nextLearners: [],
      members: members.sort((a, b) => (a.id < b.id ? -1 : 1)),
    },
  };
}

function find({ name }: Joining, { members }: MemberList): ListedMember | undefined {
  return members.find((member) => member.name === name);
}
