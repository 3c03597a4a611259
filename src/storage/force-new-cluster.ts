import { createHash } from "node:crypto";
import { RaftKvError } from "../lib/errors.ts";
import { votersOnly } from "../raft/configuration.ts";
import type { ConfigurationEntry, Index, Term } from "../raft/entry.ts";
import { baseRow } from "./base-row.ts";
import { type Divergence, describeDivergence } from "./divergence.ts";
import { encodeRecord, recordChecksum } from "./log-record.ts";
import { formatVersions, hardStateRow, identityRow, progressRow, type StoredIdentity } from "./meta-rows.ts";
import { type RecoveredDirectory, recoverDirectory } from "./recover-directory.ts";
import type { RecoveredStore } from "./recover-store.ts";
import { logKey, metaKeys } from "./row-keys.ts";
import { withStoppedStore } from "./stopped-store.ts";
import type { RowChange } from "./storage-engine.ts";

/** How far the store of a member has come: of those that are left and have no divergence, the one with the greatest (lastTerm, lastIndex) knows most. */
export interface StorePosition {
  readonly clusterId: string;
  readonly memberName: string;
  readonly term: Term;
  readonly lastTerm: Term;
  readonly lastIndex: Index;
  readonly commitIndex: Index;
  /** How the state was found to be wrong: no new cluster is made of it, however far the log has come. */
  readonly divergence: Divergence | undefined;
}

/** What {@link forceNewCluster} made. */
export interface NewCluster {
  readonly before: StorePosition;
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
  /** Entries that were not known to be committed, and will be. */
  readonly uncommittedEntries: number;
}

/** Reads how far a stopped member's store has come, and verifies it. Rejects as opening a stopped store does. */
export function storePosition(directory: string): Promise<StorePosition> {
  return withStoppedStore(directory, async (engine) => positionOf(await recoverDirectory(directory, engine)));
}

/**
 * Makes a stopped member the only one of a new cluster, with everything that is in its log: the way out when a majority is
 * lost for good. Entries that were not known to be committed will be; members of the old cluster are refused from now on,
 * because what they know may contradict it. One synced batch: afterwards all of it is done, or nothing.
 *
 * Rejects as opening a stopped store does, and with `STATE_CORRUPT` when the state is known to be wrong.
 */
export function forceNewCluster(directory: string): Promise<NewCluster> {
  return withStoppedStore(directory, async (engine) => {
    const recovered = await recoverDirectory(directory, engine);
    const { identity, store } = recovered;
    // Nobody in the new cluster would have the right state any more.
    if (store.divergence !== undefined)
      throw new RaftKvError("STATE_CORRUPT", `${directory}: ${describeDivergence(store.divergence)}`);
    const before = positionOf(recovered);
    const clusterId = newClusterId(identity, store);
    await engine.write(rowsOf(identity, store, clusterId));
    return { before, clusterId, uncommittedEntries: before.lastIndex - before.commitIndex };
  });
}

function positionOf({ identity, store }: RecoveredDirectory): StorePosition {
  const { recovered, progress, divergence } = store;
  const { term, commitIndex } = recovered.hardState;
  const { index: lastIndex, term: lastTerm } = progress.tail;
  const memberName = ownMember(identity, recovered).name;
  return { clusterId: identity.clusterId, memberName, term, lastTerm, lastIndex, commitIndex, divergence };
}

/** How the newest configuration that names this member describes it. */
function ownMember({ memberId, bootstrapConfiguration }: StoredIdentity, recovered: RecoveredStore["recovered"]) {
  const configurations = [
    bootstrapConfiguration,
    recovered.baseConfiguration.configuration,
    ...recovered.configurationEntries.map(({ configuration }) => configuration),
  ];
  const found = configurations.flatMap(({ members }) => members.filter(({ id }) => id === memberId)).at(-1);
  return found ?? { id: memberId, name: memberId, peerAddress: "" };
}

/** Another one each time, and never one that members of any other directory have. */
function newClusterId({ clusterId, dataDirectoryId }: StoredIdentity, { progress }: RecoveredStore): string {
  const parts = ["forced", clusterId, dataDirectoryId, progress.writes];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

function rowsOf(identity: StoredIdentity, store: RecoveredStore, clusterId: string): RowChange[] {
  const { recovered, progress, base } = store;
  const { hardState } = recovered;
  const { name, peerAddress } = ownMember(identity, recovered);
  const configuration = votersOnly([{ id: identity.memberId, name, peerAddress }]);
  const index = progress.tail.index + 1;
  const entry: ConfigurationEntry = { kind: "configuration", index, term: hardState.term, timeMs: 0, configuration };
  const record = encodeRecord(entry, progress.tail.checksum);
  const tail = { index, term: hardState.term, checksum: recordChecksum(record) };
  return [
    // As of a member that joined: who takes part is in the log, not in the options that it is started with.
    identityRow({
      ...identity,
      clusterId,
      formatVersion: formatVersions.newest,
      bootstrapConfiguration: { ...configuration, voters: [] },
    }),
    // Without it, the configuration before the first entry would be the one just written above.
    baseRow(base),
    { type: "put", key: logKey(index), value: record },
    // A vote belongs to a member of the old cluster.
    hardStateRow({ ...hardState, votedFor: null }),
    progressRow({ ...progress, writes: progress.writes + 1, tail }),
    // What was being fetched came from a member that is refused now.
    { type: "delete", key: metaKeys.installation },
  ];
}
