import type { Configuration, MemberId } from "../../src/raft/configuration.ts";
import { readIdentity } from "../../src/storage/meta-rows.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";
import type { MemberProcess } from "./member-process.ts";
import type { SimDisk } from "./sim-disk.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** How long a member may take to tell who belongs to the cluster, milliseconds on its clock. */
const askMsMax = 1000;

/** What a disk was set up with; `undefined` when it is empty. */
export function bootstrapOn(disk: SimDisk): Configuration | undefined {
  const row = disk.rows.get(metaKeys.identity);
  return row === undefined ? undefined : readIdentity(row).bootstrapConfiguration;
}

/**
 * Asks one member after another who belongs to the cluster, until one lists this one as a learner, as `serve --join` does:
 * then it may start with an empty disk, and a configuration without voters.
 */
export function join(
  world: World,
  id: MemberId,
  process: MemberProcess,
  members: readonly SimMember[],
): Promise<Configuration> {
  return new Promise((resolve) => {
    let joined = false;
    const ask = (): void => {
      if (joined) return;
      process.after(process.dice.real(20, 200), ask);
      listMembers(world, process.dice.pick(members), process, (listed) => {
        if (joined || !isLearner(listed, id)) return;
        joined = true;
        world.coverage.saw("joined");
        world.touch();
        resolve({ voters: [], outgoingVoters: [], learners: [], nextLearners: [], members: listed.members });
      });
    };
    ask();
  });
}

/** Whoever votes, or has voted in this configuration, has promised what an empty disk knows nothing of. */
function isLearner({ voters, outgoingVoters, members }: Configuration, id: MemberId): boolean {
  return members.some((member) => member.id === id) && !voters.includes(id) && !outgoingVoters.includes(id);
}

/** The configuration as a linearizable read at a member shows it; no answer is possible, too. */
function listMembers(
  { queue }: World,
  asked: SimMember,
  asker: MemberProcess,
  answer: (listed: Configuration) => void,
): void {
  queue.after(asker.dice.exponential(1), () =>
    asked.process?.run(() => {
      const { replica } = asked;
      replica?.readIndex({ deadlineMs: replica.now() + askMsMax, forward: true }, (failure) => {
        if (failure !== undefined) return;
        const { configuration } = replica.status();
        queue.after(asker.dice.exponential(1), () => asker.run(() => answer(configuration)));
      });
    }),
  );
}
