import { Counter, Gauge, type Registry } from "prom-client";
import { isVoter, type MemberId, peersOf } from "../raft/configuration.ts";
import { type DiskSpace, registerDisk } from "./disk-metrics.ts";
import { registerIntegrityGauges } from "./integrity-metrics.ts";
import type { KvReader } from "./kv-reader.ts";
import type { ReplicaPort, ReplicaStatus } from "./replica-port.ts";
import type { ServerIdentity } from "./server-identity.ts";
import { registerSnapshotGauges } from "./snapshot-metrics.ts";

/** What is told of the link to one peer; the transport's own counters fit. All but `connected` only grow. */
export interface PeerLinkFigures {
  readonly connected: boolean;
  readonly sentMessages: number;
  readonly receivedMessages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly sendFailures: number;
  readonly disconnects: number;
}

/** Where the figures come from that are looked up at each scrape. */
export interface MetricsSource {
  readonly replica: ReplicaPort;
  readonly reader: KvReader;
  readonly identity: ServerIdentity;
  /** A peer is active when it was heard from within this time. */
  readonly electionTimeoutMs: number;
  /** Requests answered from a session instead of being applied again, since the start. */
  readonly duplicateRequests: () => number;
  /** Counters of the links to the other members. */
  readonly peerLinks: () => ReadonlyMap<MemberId, PeerLinkFigures>;
  /** Space on the volume of the data directory. Default: not told. */
  readonly disk?: () => Promise<DiskSpace>;
}

/** Registers everything that is looked up at a scrape. */
export function registerStateMetrics(registry: Registry, source: MetricsSource): void {
  registerInfo(registry, source.identity);
  registerRaft(registry, source.replica);
  registerStore(registry, source);
  registerSnapshotGauges(registry, source.replica);
  registerIntegrityGauges(registry, source.replica);
  registerPeerProgress(registry, source);
  registerPeerLinks(registry, source);
  if (source.disk !== undefined) registerDisk(registry, source.disk);
}

/** Label of a peer: its name, which lives as long as its place in the cluster. */
export function peerName(replica: ReplicaPort, peer: MemberId): string {
  return replica.status().configuration.members.find((member) => member.id === peer)?.name ?? peer;
}

/** The other members of the configuration in force. */
export function peerIds(replica: ReplicaPort): readonly MemberId[] {
  const { configuration, memberId } = replica.status();
  return peersOf(configuration, memberId);
}

function registerInfo(registry: Registry, identity: ServerIdentity): void {
  const build = { version: identity.version, revision: identity.buildRevision, node_version: process.version };
  new Gauge({
    name: "raftkv_build_info",
    help: "Build of this member; always 1.",
    labelNames: ["version", "revision", "node_version"],
    registers: [registry],
  }).set(build, 1);
  new Gauge({
    name: "raftkv_member_info",
    help: "Identity of this member; always 1.",
    labelNames: ["member_id", "member_name", "cluster_id"],
    registers: [registry],
  }).set({ member_id: identity.memberId, member_name: identity.name, cluster_id: identity.clusterId }, 1);
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

function registerRaft(registry: Registry, replica: ReplicaPort): void {
  const one = (name: string, help: string, read: (status: ReplicaStatus) => number | boolean) =>
    gauge(registry, `raftkv_raft_${name}`, help, () => Number(read(replica.status())));
  one("has_leader", "Whether this member knows a leader: 1 if so, else 0.", (status) => status.leaderId !== null);
  one("is_leader", "Whether this member leads: 1 if so, else 0.", (status) => status.role === "leader");
  one("is_learner", "Whether this member is a learner: 1 if so, else 0.", (status) => status.role === "learner");
  one("term", "Current term.", (status) => status.term);
  one(
    "members",
    "Members of the configuration in force, learners included.",
    ({ configuration }) => configuration.members.length,
  );
  one(
    "voters",
    "Voters of the configuration in force.",
    ({ configuration }) => configuration.members.filter((member) => isVoter(configuration, member.id)).length,
  );
  one("commit_index", "Last index known to be committed.", (status) => status.commitIndex);
  one("applied_index", "Last index applied to the store.", (status) => status.appliedIndex);
  one("last_log_index", "Last index in the log.", (status) => status.lastIndex);
  one("first_log_index", "First index still in the log.", (status) => status.firstIndex);
  one("log_entries", "Entries in the log.", (status) => status.lastIndex - status.firstIndex + 1);
  one("proposals_pending", "Proposals waiting to be committed and applied.", (status) => status.pendingProposals);
  gauge(registry, "raftkv_wal_size_bytes", "Bytes of log on disk.", () => replica.status().logSizeBytes);
}

function registerStore(registry: Registry, { replica, reader, duplicateRequests }: MetricsSource): void {
  gauge(registry, "raftkv_store_keys", "Keys in the store.", () => reader.keys());
  gauge(registry, "raftkv_store_quota_bytes", "Bytes of state over which nothing may be added.", () => {
    return replica.status().space.quotaBytes;
  });
  gauge(registry, "raftkv_store_used_bytes", "Bytes of state that count against the quota.", () => {
    return replica.status().space.usedBytes;
  });
  gauge(
    registry,
    "raftkv_store_no_space",
    "Whether nothing may be added here, for the quota or the disk: 1 if so, else 0.",
    () => (replica.status().space.problem === null ? 0 : 1),
  );
  gauge(registry, "raftkv_store_size_bytes", "Bytes of keys and values in the store.", () => reader.sizeBytes());
  gauge(registry, "raftkv_store_revision", "Current revision.", () => reader.revision());
  gauge(registry, "raftkv_sessions", "Client sessions kept for exactly-once retries.", () => reader.sessions());
  new Counter({
    name: "raftkv_duplicate_requests_total",
    help: "Requests answered from a session instead of being applied again.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(duplicateRequests());
    },
  });
}

function registerPeerProgress(registry: Registry, source: MetricsSource): void {
  const { replica } = source;
  const perPeer = (name: string, help: string, read: (peer: MemberId, status: ReplicaStatus) => number | undefined) =>
    new Gauge({
      name: `raftkv_peer_${name}`,
      help,
      labelNames: ["peer"],
      registers: [registry],
      collect() {
        this.reset();
        const status = replica.status();
        for (const peer of peerIds(replica)) {
          const value = read(peer, status);
          if (value !== undefined) this.set({ peer: peerName(replica, peer) }, value);
        }
      },
    });
  const progressOf = (peer: MemberId, status: ReplicaStatus) => status.peers.find((each) => each.memberId === peer);
  const active = "Whether a peer was heard from within an election timeout: 1 if so, else 0.";
  perPeer("active", active, (peer, status) => {
    // Only the leader hears from everybody; elsewhere an open link has to do.
    if (status.role !== "leader") return Number(source.peerLinks().get(peer)?.connected ?? false);
    const age = progressOf(peer, status)?.contactAgeMs ?? Number.POSITIVE_INFINITY;
    return Number(age <= source.electionTimeoutMs);
  });
  perPeer("match_lag_entries", "Leader only: entries that a follower is behind.", (peer, status) => {
    const progress = progressOf(peer, status);
    return progress && Math.max(0, status.lastIndex - progress.matchIndex);
  });
  perPeer(
    "inflight_messages",
    "Leader only: append messages without an answer.",
    (peer, status) => progressOf(peer, status)?.inflightMessages,
  );
}

function registerPeerLinks(registry: Registry, { replica, peerLinks }: MetricsSource): void {
  const perLink = (name: string, help: string, read: (link: PeerLinkFigures) => number) =>
    new Counter({
      name: `raftkv_peer_${name}_total`,
      help,
      labelNames: ["peer"],
      registers: [registry],
      collect() {
        this.reset();
        const links = peerLinks();
        for (const peer of peerIds(replica)) {
          const link = links.get(peer);
          this.inc({ peer: peerName(replica, peer) }, link === undefined ? 0 : read(link));
        }
      },
    });
  perLink("sent_messages", "Messages sent to a peer.", (link) => link.sentMessages);
  perLink("received_messages", "Messages received from a peer.", (link) => link.receivedMessages);
  perLink("sent_bytes", "Bytes sent to a peer.", (link) => link.sentBytes);
  perLink("received_bytes", "Bytes received from a peer.", (link) => link.receivedBytes);
  perLink("send_failures", "Messages that could not be sent.", (link) => link.sendFailures);
  perLink("disconnects", "Connections to a peer that broke.", (link) => link.disconnects);
}
