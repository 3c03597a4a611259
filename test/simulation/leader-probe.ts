import type { Index } from "../../src/raft/entry.ts";
import { check } from "./broken-rule.ts";
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
    for (const { replica } of members) committedIndex = Math.max(committedIndex, replica?.core.commitIndex ?? 0);
    const leaders = members.filter(({ replica }) => replica?.core.role === "leader");
    for (const member of leaders) member.process?.run(() => readAt(member, electionTimeoutMs, () => committedIndex));
    queue.after(electionTimeoutMs / 12, probe);
  };
  queue.after(electionTimeoutMs, probe);
}

function readAt({ id, replica }: SimMember, timeoutMs: number, committedIndex: () => Index): void {
  if (replica === undefined) return;
  const atLeast = committedIndex();
  replica.readIndex({ deadlineMs: replica.now() + timeoutMs, forward: false }, (failure) => {
    if (failure !== undefined) return;
    check(
      replica.appliedIndex >= atLeast,
      "leaders read what is committed",
      () => `${id} serves entry ${replica.appliedIndex}; ${atLeast} was committed before the read came in`,
    );
  });
}
