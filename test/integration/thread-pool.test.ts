import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import { identityOf } from "../transport/identity.ts";
import { heartbeat, recordTransport, until } from "../transport/transport-recorder.ts";

/** Makes so many of this process's pool threads wait for a disk, as it were, until the test ends. */
function hangThreads(count: number): () => number {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-hang-"));
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  let hanging = count;
  // To open a pipe for reading waits for somebody who opens it for writing.
  const opened = Array.from({ length: count }, () => open(pipe, "r"));
  for (const handle of opened) void handle.then((file) => file.close()).finally(() => hanging--);
  onTestFinished(async () => {
    const writer = openSync(pipe, constants.O_RDWR);
    await Promise.all(opened);
    closeSync(writer);
    rmSync(directory, { recursive: true });
  });
  return () => hanging;
}

test("trap 94: with three of the pool's four threads in a disk that hangs, names are looked up and heartbeats go", async () => {
  const hanging = hangThreads(3);
  const transports = await Promise.all(
    ["a", "b"].map(async (id) => {
      const transport = new GrpcPeerTransport({ identity: identityOf(id), listenAddress: "127.0.0.1:0" });
      onTestFinished(() => transport.close());
      const recorder = recordTransport();
      await transport.start(recorder);
      const port = transport.address.split(":")[1];
      return { id, transport, recorder, peer: { id, name: id, peerAddress: `localhost:${port}` } };
    }),
  );
  const [a, b] = transports;
  if (a === undefined || b === undefined) throw new Error("two were started");
  // A name, not a number: looking it up takes a thread of the pool.
  a.transport.setPeers([b.peer]);
  b.transport.setPeers([a.peer]);
  await until(() => a.transport.stats().get("b")?.connected === true);
  a.transport.send("b", [heartbeat("a", "b", 1)]);
  await until(() => b.recorder.messages.length === 1);
  expect(hanging()).toBe(3);
});
