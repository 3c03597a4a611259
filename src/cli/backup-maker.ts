import type { CountingStateMachine } from "../kv/kv-state-machine.ts";
import { readSummary } from "../kv/read.ts";
import type { MakeBackup } from "../server/backup-service.ts";
import type { ServerIdentity } from "../server/server-identity.ts";
import { writeBackup } from "../storage/write-backup.ts";

/** Makes backups of the state machine's rows, under the name of this member. */
export function backupMaker(
  identity: ServerIdentity,
  stateMachine: Pick<CountingStateMachine, "stateBytes">,
): MakeBackup {
  const { clusterId, name: memberName, version } = identity;
  return ({ base, snapshot }) => {
    const revision = Number(readSummary((key) => snapshot.get(key)).revision);
    const facts = { clusterId, memberName, version, timeMs: Date.now(), base, revision };
    return { revision, sizeBytes: stateMachine.stateBytes(snapshot), pieces: writeBackup(facts, snapshot) };
  };
}
