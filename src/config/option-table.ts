import {
  addressList,
  byteSizeBetween,
  countBetween,
  durationBetween,
  initialCluster,
  listenAddress,
  memberName,
  type OptionType,
  oneOf,
  shareBetween,
  text,
} from "./option-type.ts";

/** An option of a member: what flags, variables, the file, help, --print-config and docs/configuration.md are made from. */
export interface OptionDefinition<T> {
  readonly type: OptionType<T>;
  /** Default as one would write it; `undefined` when it follows from other options. */
  readonly defaultText: string | undefined;
  /** Default in words, for help and documentation. */
  readonly defaultHelp: string;
  /** What it is for, one sentence without the full stop. */
  readonly help: string;
}

function option<T>(type: OptionType<T>, defaultText: string, help: string): OptionDefinition<T> {
  return { type, defaultText, defaultHelp: defaultText, help };
}

/** An option whose default follows from others; `defaultHelp` says how. */
function derived<T>(
  type: OptionType<T>,
  defaultHelp: string,
  help: string,
): OptionDefinition<T> & { defaultText: undefined } {
  return { type, defaultText: undefined, defaultHelp, help };
}

/** Every option of `raftkv serve`, in the order in which help and documentation list them. */
export const optionTable = {
  name: option(memberName, "default", "Name of this member, unique in the cluster and never changed"),
  dataDir: derived(text("DIR", 4096), "./data/NAME", "Directory of this member's log and state, its alone"),
  clientAddress: option(listenAddress, "127.0.0.1:50051", "Where to listen for clients; port 0 takes a free port"),
  advertiseClientAddress: derived(
    listenAddress,
    "client-address; of a wildcard, its port at the host of advertise-peer-address",
    "Where clients reach this member, as told by ListMembers",
  ),
  peerAddress: option(listenAddress, "127.0.0.1:7001", "Where to listen for the other members"),
  advertisePeerAddress: derived(
    listenAddress,
    "peer-address; of a wildcard, this member's address in initial-cluster",
    "Where the other members reach this one; must be its address in initial-cluster",
  ),
  metricsAddress: option(
    listenAddress,
    "127.0.0.1:9091",
    "Where to serve /metrics, /livez, /readyz and /startupz; port 0 takes a free port",
  ),
  initialCluster: derived(
    initialCluster,
    "this member alone",
    "Every member that the cluster starts with, itself included, with peer addresses; the same list on all of them",
  ),
  join: derived(
    addressList,
    "none: the member is one of initial-cluster",
    "Client addresses of a cluster that this member, its directory empty, is added to; instead of initial-cluster",
  ),
  clusterToken: option(
    text("TOKEN", 128),
    "raftkv",
    "Tells apart clusters with the same members; the same on all of them",
  ),
  heartbeatInterval: option(
    durationBetween("5ms", "10s"),
    "50ms",
    "How often the leader tells followers that it lives",
  ),
  electionTimeout: option(
    durationBetween("50ms", "5m"),
    "500ms",
    "How long a follower waits for a leader before it asks for votes; at least 5 × heartbeat-interval",
  ),
  linearizableReads: option(
    oneOf(["read-index", "lease"]),
    "read-index",
    "What confirms reads: read-index asks a majority each time, lease trusts the clocks; the same on all members",
  ),
  clockDriftLimit: option(
    shareBetween("0%", "50%"),
    "10%",
    "How much slower than the fastest clock of the cluster the slowest may run, for linearizable-reads lease",
  ),
  learnerPromotionLag: option(
    countBetween(0, 1_000_000),
    "1000",
    "Entries that a learner may be behind the leader when it becomes a voter; the same on all members",
  ),
  maxKeySize: option(byteSizeBetween("1B", "4KiB"), "4KiB", "Longest key accepted from clients"),
  maxValueSize: option(byteSizeBetween("1B", "16MiB"), "1MiB", "Longest value accepted from clients"),
  maxRequestSize: option(
    byteSizeBetween("4KiB", "32MiB"),
    "2MiB",
    "Longest message accepted from clients; at least max-key-size + max-value-size + 1KiB",
  ),
  maxPendingProposals: option(
    countBetween(1, 1_000_000),
    "100000",
    "Writes that may wait on this member to be committed; more are refused as OVERLOADED",
  ),
  requestTimeout: option(durationBetween("100ms", "1m"), "10s", "Deadline of a client request that names none"),
  drainTimeout: option(durationBetween("0ms", "10m"), "20s", "How long SIGTERM waits for requests under way"),
  compactionLogEntries: option(
    countBetween(100, 100_000_000),
    "100000",
    "Entries in the log over which those that are applied are forgotten",
  ),
  compactionLogSize: option(
    byteSizeBetween("64KiB", "1024GiB"),
    "256MiB",
    "Bytes of log over which entries that are applied are forgotten",
  ),
  compactionInterval: option(
    durationBetween("0ms", "240h"),
    "1h",
    "Time after which applied entries are forgotten although no limit is reached; 0ms: never",
  ),
  compactionTrailingEntries: option(
    countBetween(0, 50_000_000),
    "50000",
    "Applied entries kept for followers that are behind; at most half of both limits is kept, whatever this says",
  ),
  compactionPinnedSize: option(
    byteSizeBetween("64KiB", "1024GiB"),
    "1GiB",
    "Bytes of log up to which it is kept for a follower that is fetching a snapshot; at least compaction-log-size",
  ),
  snapshotChunkSize: option(
    byteSizeBetween("16KiB", "4MiB"),
    "1MiB",
    "Bytes of a snapshot that a member asks for at once",
  ),
  snapshotRateLimit: option(
    byteSizeBetween("0B", "1024GiB"),
    "0B",
    "Bytes of a snapshot that a member fetches in a second; 0B: as many as it can",
  ),
  hashCheckInterval: option(
    durationBetween("0ms", "240h"),
    "1h",
    "Time between two comparisons of the members' states, which read state and log back; 0ms: on request only",
  ),
  scrubRateLimit: option(
    byteSizeBetween("0B", "1024GiB"),
    "16MiB",
    "Bytes of state and log that are read back in a second for that; 0B: as many as it can",
  ),
  writeStallTimeout: option(
    durationBetween("1s", "1h"),
    "30s",
    "A disk write that takes this long stops the member; longer than election-timeout",
  ),
  storageQuota: option(
    byteSizeBetween("1KiB", "1024GiB"),
    "8GiB",
    "Bytes of keys, values and what sessions hold over which nothing may be added; deletes and reads go on; the same on all members",
  ),
  storageReserve: option(
    byteSizeBetween("0B", "1024GiB"),
    "128MiB",
    "Space that the disk must have left for anything to be added; 0B: no such limit",
  ),
  storageEngine: option(oneOf(["classic-level", "rocksdb"]), "classic-level", "Engine of the data directory"),
  logLevel: option(oneOf(["debug", "info", "warn", "error"]), "info", "Least severe log lines to write"),
} as const;

/** Name of an option in code and on the flags' parser: camel case. */
export type OptionKey = keyof typeof optionTable;

type ValueOf<D> = D extends OptionDefinition<infer T> ? T : never;

/** Keys whose default follows from other options. */
export type DerivedKey = {
  [K in OptionKey]: (typeof optionTable)[K] extends { readonly defaultText: undefined } ? K : never;
}[OptionKey];

/** Every option's value; those with a derived default may be absent before {@link deriveDefaults}. */
export type OptionValues = { readonly [K in OptionKey]: ValueOf<(typeof optionTable)[K]> };

/** Options as given or by plain default; derived ones are absent unless given. */
export type GivenValues = Omit<OptionValues, DerivedKey> & Partial<Pick<OptionValues, DerivedKey>>;

/** Every key, in the table's order. */
export const optionKeys = Object.keys(optionTable) as readonly OptionKey[];

/** Name of an option as flag (after --) and as key of the file: `heartbeat-interval`. */
export function kebabName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Name of an option as environment variable: `RAFTKV_HEARTBEAT_INTERVAL`. */
export function variableName(key: string): string {
  return `RAFTKV_${kebabName(key).replaceAll("-", "_").toUpperCase()}`;
}
