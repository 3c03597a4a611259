import { bootstrapConfiguration, clusterIdentity } from "../config/cluster-identity.ts";
import type { MemberConfig } from "../config/member-config.ts";
import { assert } from "../lib/assert.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { DirectoryIdentity } from "../storage/member-store.ts";
import type { StoreOwner } from "../storage/open-member-store.ts";
import { joinCluster } from "./join-cluster.ts";

/**
 * Tells whose the data directory has to be:
 *
 * - a member that joined is who its directory says, whatever the options name beside its own name;
 * - a member of the initial cluster is who the options say, as is everyone with an empty directory;
 * - with `join`, an empty directory becomes what the cluster has added.
 */
export async function chooseOwner(
  config: MemberConfig,
  stored: DirectoryIdentity | undefined,
  logger: Logger,
): Promise<StoreOwner> {
  const founding = config.join.length === 0;
  if (stored === undefined) return founding ? initialOwner(config) : joinCluster(config, logger);
  const joined = stored.bootstrapConfiguration.voters.length === 0;
  if (founding && !joined) return initialOwner(config);
  const name = stored.bootstrapConfiguration.members.find(({ id }) => id === stored.memberId)?.name;
  if (name !== config.name) {
    throw new RaftKvError("DIRECTORY_MISMATCH", `the directory is that of ${name}; it was opened as ${config.name}`);
  }
  return stored;
}

function initialOwner(config: MemberConfig): StoreOwner {
  const cluster = clusterIdentity(config.clusterToken, config.initialCluster);
  const own = cluster.members.find((member) => member.name === config.name);
  assert(own !== undefined, "a validated configuration lists the member itself");
  return {
    clusterId: cluster.clusterId,
    memberId: own.memberId,
    bootstrapConfiguration: bootstrapConfiguration(cluster),
  };
}
