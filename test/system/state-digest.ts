import { createHash } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import {
  type BackupRequest,
  BackupRequestSchema,
  type BackupResponse,
  BackupResponseSchema,
  MaintenanceService,
} from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import { readBackup } from "../../src/storage/read-backup.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";

/** What a member's state comes to at one index. */
export interface StateDigest {
  readonly index: number;
  readonly rows: number;
  /** Of every row, sessions and counters of the state machine among them. */
  readonly sha256: string;
}

/** Reads the whole of a member's own state, as it stands on its disk. Rejects when the member does not answer. */
export async function digestOf(member: ClusterMember): Promise<StateDigest> {
  const hash = createHash("sha256");
  const { facts, totals } = await readBackup(backupPieces(member.clientAddress), {
    rows: async (rows) => {
      for (const [key, value] of rows) hash.update(`${key.length},${value.length}:`).update(key).update(value);
    },
  });
  return { index: facts.base.index, rows: totals.rows, sha256: hash.digest("hex") };
}

async function* backupPieces(address: string): AsyncGenerator<Uint8Array> {
  const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  try {
    const call = client.makeServerStreamRequest(
      `/${MaintenanceService.typeName}/${MaintenanceService.method.backup.name}`,
      (message: BackupRequest) => Buffer.from(toBinary(BackupRequestSchema, message)),
      (bytes: Buffer) => fromBinary(BackupResponseSchema, bytes),
      // What this member has, whatever the leader says.
      create(BackupRequestSchema, { stale: true }),
      new Metadata(),
      { deadline: Date.now() + 60_000 },
    );
    for await (const { data } of call as AsyncIterable<BackupResponse>) if (data.length > 0) yield data;
  } finally {
    client.close();
  }
}

/**
 * Waits until the state of every running member stands at the end of the leader's log, and gives what they all come to. Nothing
 * may be written meanwhile. Rejects when two of them differ.
 */
export async function digestOfAll(cluster: ProcessCluster): Promise<StateDigest> {
  const digests = await waitUntil(
    async () => {
      const leader = await cluster.waitForLeader();
      const { lastIndex } = await cluster.status(leader);
      const found = await Promise.all(cluster.running().map(digestOf));
      return found.every(({ index }) => index === Number(lastIndex)) && found;
    },
    { what: "every member's durable state stands at the end of the log", timeoutMs: 60_000, intervalMs: 100 },
  );
  const [first] = digests;
  if (first === undefined) throw new Error("no member runs");
  const names = cluster.running().map(({ name }) => name);
  if (digests.some(({ sha256 }) => sha256 !== first.sha256)) {
    throw new Error(`states differ: ${digests.map((each, at) => `${names[at]} ${JSON.stringify(each)}`).join(", ")}`);
  }
  return first;
}
