import type { Index } from "../../src/raft/entry.ts";
import { check } from "./broken-rule.ts";
import type { MemberProcess } from "./member-process.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/**
 * Reads again and again at every member that thinks that it leads, where leases are on: clients seldom ask a leader in the short
 * time between its successor's first entry and its own insight. A read must see all that anybody knew to be committed when it
 * reached its member. `members` may grow.
 */
export function probeLeaders(world: World, members: readonly SimMember[]): void {
  const { queue, plan } = world;
  const { electionTimeoutMs, lease } = plan.options.raft;
  if (lease === null) return;
  // Known to be committed anywhere, as far as was looked: processes forget.
  let committedIndex: Index = 0;
  const probe = (): void => {
    if (queue.nowMs > plan.faultsMs) return;
    committedIndex = Math.max(committedIndex, committedAmong(members));
    for (const member of leadersAmong(members)) {
      member.process?.run(() => readAt(member, electionTimeoutMs, committedIndex));
    }
    queue.after(electionTimeoutMs / 12, probe);
  };
  queue.after(electionTimeoutMs, probe);
}

/**
 * Reads at whoever leads, more often than heartbeats go out by themselves, until it is told to stop by what it returns: whoever is
 * behind has to catch up while reads go on.
 */
export function readAllAlong(world: World, members: readonly SimMember[]): () => void {
  const { queue, plan, coverage } = world;
  const { electionTimeoutMs, heartbeatIntervalMs } = plan.options.raft;
  let stopped = false;
  const intervalMs = heartbeatIntervalMs / 5;
  // One read at a time of each leader: where few may wait, others have room.
  const asked = new Set<MemberProcess>();
  const read = (): void => {
    if (stopped) return;
    for (const member of leadersAmong(members)) {
      const { process } = member;
      if (process === undefined || asked.has(process)) continue;
      asked.add(process);
      process.run(() =>
        readAt(member, electionTimeoutMs, committedAmong(members), (served) => {
          asked.delete(process);
          if (served) coverage.saw("readAtTheEnd");
        }),
      );
    }
    queue.after(intervalMs, read);
  };
  read();
  return () => {
    stopped = true;
  };
}

function leadersAmong(members: readonly SimMember[]): SimMember[] {
  return members.filter(({ replica }) => replica?.core.role === "leader");
}

function committedAmong(members: readonly SimMember[]): Index {
  return Math.max(...members.map(({ replica }) => replica?.core.commitIndex ?? 0));
}

/** `ended` learns whether the read was served. */
function readAt(
  { id, replica }: SimMember,
  timeoutMs: number,
  atLeast: Index,
  ended: (served: boolean) => void = () => {},
): void {
  if (replica === undefined) return;
  replica.readIndex({ deadlineMs: replica.now() + timeoutMs, forward: false }, (failure) => {
    ended(failure === undefined);
    if (failure !== undefined) return;
    check(
      replica.appliedIndex >= atLeast,
      "leaders read what is committed",
      () => `${id} serves entry ${replica.appliedIndex}; ${atLeast} was committed before the read came in`,
    );
  });
}
