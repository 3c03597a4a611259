import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  GetRequestSchema,
  GetResponseSchema,
  KvService,
  PutRequestSchema,
} from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { createProcessCluster, type ProcessCluster } from "../lib/process-cluster.ts";
import { callOnce } from "./grpc-wire.ts";
import type { Request, SystemUnderTest } from "./system-under-test.ts";

/** Three members of raftkv, and the name of the one that led at the start. */
export interface RaftkvSystem extends SystemUnderTest {
  readonly leaderName: string;
}

/**
 * Starts three members of raftkv with its defaults on loopback ports and waits for a leader.
 * `nodeFlags` are flags of Node for the member called `name`; none by default.
 */
export async function startRaftkv(nodeFlags: (name: string) => readonly string[] = () => []): Promise<RaftkvSystem> {
  const cluster = await createProcessCluster({ nodeFlags });
  try {
    await cluster.start();
    return await describeSystem(cluster);
  } catch (error) {
    process.stderr.write(`${cluster.describeOutput()}\n`);
    await cluster.dispose();
    throw error;
  }
}

async function describeSystem(cluster: ProcessCluster): Promise<RaftkvSystem> {
  const leader = await cluster.waitForLeader(20_000);
  const { version } = await cluster.status(leader);
  return {
    name: "raftkv",
    version,
    leaderName: leader.name,
    addresses: [...cluster.others(leader.name), leader].map(({ clientAddress }) => clientAddress),
    pids: cluster.members.map(({ name }) => cluster.process(name).pid),
    putRequest,
    getRequest,
    revision: () => revision(leader.clientAddress),
    stop: () => cluster.dispose(),
  };
}

function putRequest(key: string, value: Uint8Array): Request {
  const request = create(PutRequestSchema, { key, payload: { case: "binaryValue", value } });
  return { path: `/${KvService.typeName}/Put`, message: toBinary(PutRequestSchema, request) };
}

function getRequest(key: string): Request {
  const message = toBinary(GetRequestSchema, create(GetRequestSchema, { key }));
  return { path: `/${KvService.typeName}/Get`, message };
}

async function revision(address: string): Promise<number> {
  const { path, message } = getRequest("none");
  const response = fromBinary(GetResponseSchema, await callOnce(address, path, message));
  return Number(response.header?.revision ?? 0n);
}
