import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { methodPath } from "../../src/server/service-definition.ts";
import { CallError, type ServerHarness, startServer } from "../server/server-harness.ts";

const run = promisify(execFile);
const buf = resolve("node_modules/.bin/buf");
const available = (command: string) => spawnSync(command, ["--version"]).error === undefined;
const grpcurl = available("grpcurl");
if (!grpcurl) process.stderr.write("skipped: grpcurl is not installed, so reflection is checked with buf curl only\n");
const bufCurl = available(buf);
if (!bufCurl) process.stderr.write("skipped: buf is not installed, so reflection is not checked with buf curl\n");

type Asked = MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"];

/** Opens a reflection stream; `ask` resolves with the answer to one request. */
function openReflection(
  { client }: ServerHarness,
  service: typeof ServerReflection | typeof V1Alpha = ServerReflection,
) {
  const stream = client.makeBidiStreamRequest<Uint8Array, ServerReflectionResponse>(
    methodPath(service.method.serverReflectionInfo),
    (request) => Buffer.from(request),
    (bytes) => fromBinary(ServerReflectionResponseSchema, bytes),
  );
  const ended = new Promise<CallError>((settle) => {
    stream.on("error", (error) => settle(new CallError(error as ServiceError)));
  });
  const ask = (messageRequest: Asked) =>
    new Promise<ServerReflectionResponse["messageResponse"]>((settle) => {
      stream.once("data", ({ messageResponse }: ServerReflectionResponse) => settle(messageResponse));
      stream.write(
        toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest } as never)),
      );
    });
  onTestFinished(() => stream.cancel());
  return { ask, ended };
}

const fileNames = (answer: ServerReflectionResponse["messageResponse"]) =>
  answer.case === "fileDescriptorResponse"
    ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
    : [];

describe.each([
  ["v1", ServerReflection],
  ["v1alpha", V1Alpha],
] as const)("reflection %s", (_version, service) => {
  test("lists every service of the client port and none between members", async () => {
    const { ask } = openReflection(await startServer(), service);
    const answer = await ask({ case: "listServices", value: "" });
    expect(answer.case === "listServicesResponse" && answer.value.service.map(({ name }) => name)).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "raftkv.v1.ClusterService",
      "raftkv.v1.KvService",
      "raftkv.v1.MaintenanceService",
    ]);
  });
});

describe("reflection finds", () => {
  const kv = "raftkv/v1/kv_service.proto";
  const common = "raftkv/v1/common.proto";
  const symbols: readonly [string, string][] = [
    ["raftkv.v1.KvService", kv],
    ["raftkv.v1.KvService.Put", kv],
    ["raftkv.v1.PutRequest", kv],
    ["raftkv.v1.PutRequest.key", kv],
    ["raftkv.v1.PutRequest.payload", kv],
    [".raftkv.v1.KeyValue", common],
    ["raftkv.v1.READ_CONSISTENCY_STALE", common],
    ["raftkv.v1.ReadConsistency.READ_CONSISTENCY_STALE", common],
    ["raftkv.v1.Member.Role", "raftkv/v1/cluster_service.proto"],
    ["google.rpc.ErrorInfo", "google/rpc/error_details.proto"],
    ["google.protobuf.Duration", "google/protobuf/duration.proto"],
    ["google.protobuf.Any", "google/protobuf/any.proto"],
  ];
  test("the file of every kind of symbol, with all that it imports", async () => {
    const { ask } = openReflection(await startServer());
    for (const [symbol, file] of symbols) {
      const names = fileNames(await ask({ case: "fileContainingSymbol", value: symbol }));
      expect(names[0], symbol).toBe(file);
    }
    expect(fileNames(await ask({ case: "fileByFilename", value: kv }))).toEqual([
      kv,
      common,
      "google/protobuf/duration.proto",
    ]);
  });

  test("nothing of what members say to each other, and goes on after saying so", async () => {
    const { ask } = openReflection(await startServer());
    const unknown: readonly Asked[] = [
      { case: "fileByFilename", value: "raftkv/raft/v1/raft_service.proto" },
      { case: "fileByFilename", value: "raftkv/storage/v1/storage.proto" },
      { case: "fileContainingSymbol", value: "raftkv.raft.v1.RaftService" },
      { case: "fileContainingSymbol", value: "raftkv.storage.v1.Command" },
      {
        case: "fileContainingExtension",
        value: { containingType: "raftkv.v1.PutRequest", extensionNumber: 100 } as never,
      },
      { case: "allExtensionNumbersOfType", value: "raftkv.v1.Nothing" },
    ];
    for (const question of unknown) {
      const answer = await ask(question);
      expect(answer, JSON.stringify(question)).toMatchObject({
        case: "errorResponse",
        value: { errorCode: status.NOT_FOUND },
      });
    }
    expect(await ask(undefined)).toMatchObject({ value: { errorCode: status.INVALID_ARGUMENT } });
    const none = await ask({ case: "allExtensionNumbersOfType", value: "raftkv.v1.PutRequest" });
    expect(none).toMatchObject({ case: "allExtensionNumbersResponse", value: { extensionNumber: [] } });
  });

  test("no more streams than its limit, and ends them at shutdown", async () => {
    const harness = await startServer({ limits: { reflectionStreamsMax: 1 } });
    const first = openReflection(harness);
    await first.ask({ case: "listServices", value: "" });
    expect(await openReflection(harness).ended).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(await harness.server.drain(5_000)).toBe(true);
    expect(await first.ended).toMatchObject({ code: status.UNAVAILABLE, reason: "SHUTTING_DOWN" });
  });
});

describe.skipIf(!grpcurl)("grpcurl", () => {
  const grpcurlOf = (harness: ServerHarness) => async (before: string[], after: string[]) =>
    (await run("grpcurl", ["-plaintext", ...before, harness.clientAddress, ...after])).stdout;

  test("lists, describes, writes, reads and checks the health by reflection alone", async () => {
    const curl = grpcurlOf(await startServer());
    expect(await curl([], ["list"])).toContain("raftkv.v1.KvService\n");
    const described = await curl([], ["describe", "raftkv.v1.KvService"]);
    expect(described).toContain("rpc Put ( .raftkv.v1.PutRequest ) returns ( .raftkv.v1.PutResponse );");
    expect(described).toContain("// Put writes one key.");
    const put = await curl(["-d", '{"key":"greeting","value":"hello"}'], ["raftkv.v1.KvService/Put"]);
    expect(JSON.parse(put)).toMatchObject({ applied: true, header: { revision: "1" } });
    const got = await curl(["-d", '{"key":"greeting"}'], ["raftkv.v1.KvService/Get"]);
    expect(JSON.parse(got)).toMatchObject({ found: true, kv: { key: "greeting", value: "hello" } });
    const missing = await curl(["-d", '{"key":"none"}'], ["raftkv.v1.KvService/Get"]);
    expect(JSON.parse(missing)).toMatchObject({ found: false });
    const uptime = JSON.parse(await curl([], ["raftkv.v1.ClusterService/GetStatus"]));
    expect(uptime).toMatchObject({ name: "n1", uptime: expect.stringMatching(/s$/) });
    const health = await curl(["-d", '{"service":"raftkv.v1.KvService"}'], ["grpc.health.v1.Health/Check"]);
    expect(JSON.parse(health)).toEqual({ status: "SERVING" });
  });

  test("prints the details of an error", async () => {
    const curl = grpcurlOf(await startServer());
    const failed = await curl(["-d", '{"key":""}'], ["raftkv.v1.KvService/Put"]).catch((error: unknown) => error);
    expect(failed).toMatchObject({ stderr: expect.stringContaining('"reason": "KEY_INVALID"') });
    expect(failed).toMatchObject({ stderr: expect.stringContaining("key is empty") });
  });
});

describe.skipIf(!bufCurl)("buf curl", () => {
  let outside = "";
  // buf takes the nearest buf.yaml for the schema, which would make reflection look good when it is not.
  beforeAll(async () => {
    outside = await mkdtemp(join(tmpdir(), "raftkv-buf-"));
    return () => rm(outside, { recursive: true });
  });

  test.each(["grpc-v1", "grpc-v1alpha"])("writes and reads by reflection %s", async (protocol) => {
    const { clientAddress } = await startServer();
    const curl = async (method: string, data: string) => {
      const flags = ["--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", protocol, "-d", data];
      const url = `http://${clientAddress}/raftkv.v1.KvService/${method}`;
      return JSON.parse((await run(buf, ["curl", ...flags, url], { cwd: outside })).stdout);
    };
    expect(await curl("Put", '{"key":"greeting","value":"hello"}')).toMatchObject({ applied: true });
    expect(await curl("Get", '{"key":"greeting"}')).toMatchObject({ found: true, kv: { value: "hello" } });
  });
});
