import { execFile, spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { expect, type TestContext, test } from "vitest";
import type { ClusterMember } from "../lib/process-cluster.ts";
import { startCluster } from "./start-cluster.ts";

const run = promisify(execFile);

function needs(tool: string, context: TestContext): void {
  const found = spawnSync(tool, ["--version"], { stdio: "ignore" }).error === undefined;
  context.skip(!found, `${tool} is not on the PATH`);
}

async function grpcurl(...args: readonly string[]): Promise<string> {
  const { stdout } = await run("grpcurl", ["-plaintext", ...args]);
  return stdout;
}

/** Calls by `buf curl`, from outside the repository, so that it has to use the server's reflection. */
async function bufCurl({ clientAddress }: ClusterMember, method: string, data: object): Promise<unknown> {
  const shape = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--data", JSON.stringify(data)];
  const { stdout } = await run("buf", [...shape, `http://${clientAddress}/${method}`], { cwd: tmpdir() });
  return JSON.parse(stdout);
}

test("grpcurl lists, describes, checks health, writes through one member and reads through each", async (context) => {
  needs("grpcurl", context);
  const cluster = await startCluster();
  const written = '{"key":"greeting","value":"hello"}';
  const writer = cluster.member("n2");
  const put = await grpcurl("-d", written, writer.clientAddress, "raftkv.v1.KvService/Put");
  expect(JSON.parse(put)).toMatchObject({ applied: true, header: { revision: "1" } });
  for (const { clientAddress } of cluster.members) {
    const services = (await grpcurl(clientAddress, "list")).trim().split("\n");
    expect(services).toEqual(
      expect.arrayContaining(["grpc.health.v1.Health", "raftkv.v1.ClusterService", "raftkv.v1.KvService"]),
    );
    expect(services).not.toContain("raftkv.raft.v1.RaftService");
    expect(await grpcurl(clientAddress, "describe", "raftkv.v1.KvService")).toContain("rpc Put (");
    expect(await grpcurl(clientAddress, "describe", ".raftkv.v1.Member")).toContain(".google.protobuf.Timestamp");
    const get = await grpcurl("-d", '{"key":"greeting"}', clientAddress, "raftkv.v1.KvService/Get");
    expect(JSON.parse(get)).toMatchObject({ found: true, kv: { key: "greeting", value: "hello", version: "1" } });
    const health = await grpcurl(
      "-d",
      '{"service":"raftkv.v1.KvService"}',
      clientAddress,
      "grpc.health.v1.Health/Check",
    );
    expect(JSON.parse(health)).toEqual({ status: "SERVING" });
  }
});

test("buf curl writes through one member and reads, checks health and status through each", async (context) => {
  needs("buf", context);
  const cluster = await startCluster();
  const put = { key: "greeting", value: "hello" };
  expect(await bufCurl(cluster.member("n3"), "raftkv.v1.KvService/Put", put)).toMatchObject({ applied: true });
  for (const member of cluster.members) {
    const get = await bufCurl(member, "raftkv.v1.KvService/Get", { key: "greeting" });
    expect(get).toMatchObject({ found: true, kv: { key: "greeting", value: "hello" } });
    const health = await bufCurl(member, "grpc.health.v1.Health/Check", {});
    expect(health).toEqual({ status: "SERVING" });
    const status = await bufCurl(member, "raftkv.v1.ClusterService/GetStatus", {});
    expect(status).toMatchObject({ name: member.name, clientAddress: member.clientAddress });
  }
});

test("grpcurl shows why a call is refused, with the limit", async (context) => {
  needs("grpcurl", context);
  const cluster = await startCluster({ size: 1 });
  const call = grpcurl("-d", '{"key":""}', cluster.member("n1").clientAddress, "raftkv.v1.KvService/Get");
  const refusal = await call.then(
    () => "answered",
    (error: { readonly stderr: string }) => error.stderr,
  );
  expect(refusal).toContain("InvalidArgument");
  expect(refusal).toContain("KEY_INVALID");
  expect(refusal).toContain('"limit": "4096"');
});
