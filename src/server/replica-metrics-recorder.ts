import { Counter, Histogram, type Registry } from "prom-client";
import type { MemberId } from "../raft/configuration.ts";
import type { ReplicaMetrics } from "../replica/replica-metrics.ts";
import { registerIntegrityMetrics } from "./integrity-metrics.ts";
import { registerSnapshotMetrics } from "./snapshot-metrics.ts";

/** 50 µs doubled up to 6.6 s: the range of an fsync, a commit and a round trip, from NVMe to a failing disk. */
const fineSeconds = Array.from({ length: 18 }, (_, n) => 50e-6 * 2 ** n);
const powersOfTwo = Array.from({ length: 14 }, (_, n) => 2 ** n);

/** Who the other members are, as far as is known. */
export interface PeerLabels {
  /** The label of a member. */
  readonly name: (peer: MemberId) => string;
  readonly ids: () => readonly MemberId[];
}

/** Registers what a replica tells as it happens, every series from the start. */
export function registerReplicaMetrics(registry: Registry, peers: PeerLabels): ReplicaMetrics {
  const histogram = (name: string, help: string, buckets = fineSeconds): ((value: number) => void) => {
    const made = new Histogram({ name, help, buckets, registers: [registry] });
    return (value) => made.observe(value);
  };
  const seen = new Set<string>();
  const roundTrip = new Histogram({
    name: "raftkv_peer_round_trip_duration_seconds",
    help: "Round trip of append messages.",
    labelNames: ["peer"],
    buckets: fineSeconds,
    registers: [registry],
    collect() {
      for (const peer of peers.ids().map(peers.name)) {
        if (!seen.has(peer)) this.zero({ peer });
        seen.add(peer);
      }
    },
  });
  return {
    writeDuration: histogram("raftkv_wal_write_duration_seconds", "Time of one write to the log, its sync included."),
    batchEntries: histogram("raftkv_raft_proposal_batch_entries", "Entries in one append to the log.", powersOfTwo),
    commitDuration: histogram("raftkv_raft_commit_duration_seconds", "Time from proposal to commit on the leader."),
    applyDuration: histogram("raftkv_raft_apply_duration_seconds", "Time to apply one batch to the store."),
    heartbeatDelay: histogram("raftkv_raft_heartbeat_send_delay_seconds", "How late heartbeats left the leader."),
    readIndexDuration: histogram(
      "raftkv_raft_read_index_duration_seconds",
      "Time to confirm and catch up for linearizable reads.",
    ),
    peerRoundTrip: (peerId, seconds) => {
      const peer = peers.name(peerId);
      seen.add(peer);
      roundTrip.observe({ peer }, seconds);
    },
    ...registerCounters(registry),
    ...registerSnapshotMetrics(registry),
    ...registerIntegrityMetrics(registry),
  };
}

type Counts = Pick<
  ReplicaMetrics,
  | "writtenBytes"
  | "proposals"
  | "readIndex"
  | "readsConfirmed"
  | "leaseLapsed"
  | "forwarded"
  | "election"
  | "leaderChange"
>;

function registerCounters(registry: Registry): Counts {
  const plain = (name: string, help: string): ((count?: number) => void) => {
    const counter = new Counter({ name, help, registers: [registry] });
    return (count = 1) => counter.inc(count);
  };
  const labelled = <Value extends string>(name: string, help: string, label: string, values: readonly Value[]) => {
    const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
    for (const value of values) counter.inc({ [label]: value }, 0);
    return (value: Value, count = 1) => counter.inc({ [label]: value }, count);
  };
  const elections = new Counter({
    name: "raftkv_raft_elections_total",
    help: "Elections that this member started (kind: pre_vote, vote, transfer; result: won, lost).",
    labelNames: ["kind", "result"],
    registers: [registry],
  });
  for (const kind of ["pre_vote", "vote", "transfer"]) {
    for (const result of ["won", "lost"]) elections.inc({ kind, result }, 0);
  }
  return {
    election: (kind, result) => elections.inc({ kind, result }),
    writtenBytes: plain("raftkv_wal_written_bytes_total", "Bytes written to the log."),
    leaderChange: plain("raftkv_raft_leader_changes_total", "Leader changes seen."),
    proposals: labelled(
      "raftkv_raft_proposals_total",
      "Proposals finished (result: applied, dropped, timeout, overloaded).",
      "result",
      ["applied", "dropped", "timeout", "overloaded"],
    ),
    readIndex: labelled(
      "raftkv_raft_read_index_total",
      "Linearizable reads confirmed by a quorum (result: ok, timeout, no_leader).",
      "result",
      ["ok", "timeout", "no_leader"],
    ),
    readsConfirmed: labelled(
      "raftkv_raft_reads_confirmed_total",
      "Reads confirmed at this leader; those of one turn of a member count as one (by: round, lease).",
      "by",
      ["round", "lease"],
    ),
    leaseLapsed: plain(
      "raftkv_raft_lease_lapses_total",
      "Reads asked anew, because the lease ended while they were served.",
    ),
    forwarded: labelled(
      "raftkv_forwarded_requests_total",
      "Client requests forwarded to the leader (result: applied, dropped, unknown).",
      "result",
      ["applied", "dropped", "unknown"],
    ),
  };
}
