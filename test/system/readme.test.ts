// Runs the examples of README.md against a local cluster and compares what they print with what README.md shows.
//
// An example is a fenced `sh` block with the comment `<!-- test: run -->` on the line before its fence. A fenced block
// with `<!-- test: output -->` on the line before it shows what the example before it prints. Examples run in the order
// of the file, in one shell session each, from the top of the repository, beside a cluster that `bin/raftkv dev` has
// started on the default ports. Numbers, ids of 16 hexadecimal digits and spaces may differ; a line of `...` in the
// output stands for any number of lines. An example whose first word is not installed is skipped, and so is its output.

import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterService } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { type StartedProcess, startProcess, stopProcess } from "../lib/child-process.ts";
import { isPortFree } from "../lib/free-ports.ts";
import { raftkvCommand } from "../lib/process-cluster.ts";
import { createRpcClient, type RpcClient } from "../lib/rpc-client.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { findExamples, matchesOutput } from "./readme-examples.ts";

const root = join(import.meta.dirname, "../..");
const examples = findExamples(readFileSync(join(root, "README.md"), "utf8"));
const defaultPorts = [50051, 50052, 50053, 7001, 7002, 7003, 9091, 9092, 9093];
const execute = promisify(execFile);

const taken: number[] = [];
for (const port of defaultPorts) if (!(await isPortFree(port))) taken.push(port);

describe("examples of README.md", () => {
  let directory: string | undefined;
  let cluster: StartedProcess | undefined;

  beforeAll(async () => {
    if (taken.length > 0) return;
    directory = mkdtempSync(join(tmpdir(), "raftkv-readme-"));
    cluster = await startProcess(process.execPath, [raftkvCommand, "dev", "--data-dir", directory]);
    await waitUntilLed();
  });

  afterAll(async () => {
    if (cluster !== undefined) expect(await stopProcess(cluster)).toEqual({ code: 0, signal: null });
    if (directory !== undefined) rmSync(directory, { recursive: true });
  });

  test("there are some", () => {
    expect(examples.length).toBeGreaterThan(0);
  });

  test.for(examples)("line $line: $command", async ({ command, output }, context) => {
    const program = command.split(/\s/, 1)[0] ?? "";
    const installed = spawnSync("sh", ["-c", `command -v ${program}`], { cwd: root }).status === 0;
    context.skip(taken.length > 0, `default ports are in use: ${taken.join(", ")}`);
    context.skip(!installed, `${program} is not on the PATH`);
    const { stdout } = await execute("sh", ["-e", "-c", command], { cwd: root });
    if (output !== undefined) expect(matchesOutput(output, stdout), `printed:\n${stdout}`).toBe(true);
  });
});

async function waitUntilLed(): Promise<void> {
  const clients = [50051, 50052, 50053].map((port) => createRpcClient(`127.0.0.1:${port}`));
  const isLed = async (client: RpcClient) => {
    const result = await client.call(ClusterService.method.getStatus, {}, 1_000);
    return result.ok && result.response.header?.leaderId !== "";
  };
  await waitUntil(async () => (await Promise.all(clients.map(isLed))).every(Boolean), {
    what: "the three members of `raftkv dev` have a leader",
    timeoutMs: 60_000,
  });
  for (const client of clients) client.close();
}
