import { silentLogger } from "../src/lib/logger.ts";
import { votersOnly } from "../src/raft/configuration.ts";
import type { EngineName } from "../src/storage/engine-directory.ts";
import type { MemberStore } from "../src/storage/member-store.ts";
import { openMemberStore } from "../src/storage/open-member-store.ts";

/** Opens the store of a lone member in `directory`, for a script that measures it. */
export function openMeasuredStore(engineName: EngineName, directory: string): Promise<MemberStore> {
  const memberId = "00000000000000a1";
  const bootstrapConfiguration = votersOnly([{ id: memberId, name: "n1", peerAddress: "localhost:7001" }]);
  return openMemberStore({
    directory,
    engineName,
    chooseOwner: async () => ({ clusterId: "00000000000000c1", memberId, bootstrapConfiguration }),
    logger: silentLogger,
  });
}
