import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { type StartedProcess, startProcess, stopProcess } from "../lib/child-process.ts";
import { findFreePorts } from "../lib/free-ports.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { callOnce } from "./grpc-wire.ts";
import type { Request, SystemUnderTest } from "./system-under-test.ts";

/** Starts three members of etcd with its defaults on loopback ports and waits for a leader. */
export async function startEtcd(version: string): Promise<SystemUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-bench-etcd-"));
  const ports = await findFreePorts(6);
  const members = [0, 1, 2].map((position) => ({
    name: `e${position + 1}`,
    client: `127.0.0.1:${ports[position]}`,
    peer: `http://127.0.0.1:${ports[position + 3]}`,
  }));
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const processes: StartedProcess[] = [];
  const stop = async () => {
    await Promise.all(processes.map((started) => stopProcess(started)));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (const { name, client, peer } of members) {
      const own = ["--name", name, "--data-dir", join(directory, name), "--initial-cluster", cluster];
      const clientUrls = ["--listen-client-urls", `http://${client}`, "--advertise-client-urls", `http://${client}`];
      const peerUrls = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer];
      processes.push(await startProcess("etcd", [...own, ...clientUrls, ...peerUrls]));
    }
    const addresses = await waitUntil(() => leaderLast(members.map(({ client }) => client)), {
      what: "etcd has a leader",
      timeoutMs: 20_000,
    });
    return {
      name: "etcd",
      version,
      addresses,
      pids: processes.map(({ pid }) => pid),
      putRequest,
      getRequest,
      revision: () => revision(addresses[0] ?? ""),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

// Field numbers are those of etcd's rpc.proto.
function putRequest(key: string, value: Uint8Array): Request {
  const message = new BinaryWriter().uint32(10).string(key).uint32(18).bytes(value).finish();
  return { path: "/etcdserverpb.KV/Put", message };
}

function getRequest(key: string): Request {
  return { path: "/etcdserverpb.KV/Range", message: new BinaryWriter().uint32(10).string(key).finish() };
}

async function revision(address: string): Promise<number> {
  const { path, message } = getRequest("none");
  const header = fields(await callOnce(address, path, message)).get(1);
  return header instanceof Uint8Array ? Number(fields(header).get(3) ?? 0n) : 0;
}

async function leaderLast(addresses: readonly string[]): Promise<readonly string[] | undefined> {
  try {
    const leads = await Promise.all(addresses.map(isLeader));
    const leader = addresses.find((_, position) => leads[position]);
    return leader === undefined ? undefined : [...addresses.filter((address) => address !== leader), leader];
  } catch {
    return undefined;
  }
}

async function isLeader(address: string): Promise<boolean> {
  const status = fields(await callOnce(address, "/etcdserverpb.Maintenance/Status", new Uint8Array()));
  const header = status.get(1);
  return header instanceof Uint8Array && fields(header).get(2) === status.get(4);
}

/** The last value of each varint and length-delimited field. */
function fields(message: Uint8Array): Map<number, bigint | Uint8Array> {
  const found = new Map<number, bigint | Uint8Array>();
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === 0) found.set(number, BigInt(reader.uint64()));
    else if (wireType === 2) found.set(number, reader.bytes());
    else reader.skip(wireType);
  }
  return found;
}
