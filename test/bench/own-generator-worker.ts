import { readFileSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { grpcHeaders } from "./grpc-wire.ts";
import type { WorkerInput, WorkerOutput } from "./own-generator.ts";

const [inputFile = "", outputFile = ""] = process.argv.slice(2);
const input = JSON.parse(readFileSync(inputFile, "utf8")) as WorkerInput;
const frame = Buffer.from(input.frameBase64, "base64");
const headers = { ":method": "POST", ":path": input.path, ...grpcHeaders };
const tally = { completed: 0, started: 0, failed: 0, bodyBytes: 0 };
const latenciesUs: number[] = [];

const sessions = Array.from({ length: input.connections }, () => connect(`http://${input.address}`));
await Promise.all(
  sessions.map((session) => new Promise<void>((resolve) => session.once("remoteSettings", () => resolve()))),
);
const end = performance.now() + input.seconds * 1_000;
await Promise.all(
  sessions.map(
    (session) =>
      new Promise<void>((resolve) => {
        session.once("close", resolve);
        for (let stream = 0; stream < input.inFlight; stream++) send(session);
        setTimeout(() => session.destroy(), end - performance.now());
      }),
  ),
);
const output: WorkerOutput = { ...tally, latenciesUs };
writeFileSync(outputFile, JSON.stringify(output));

function send(session: ClientHttp2Session): void {
  const start = performance.now();
  const stream = session.request(headers);
  let bytes = 0;
  let status: unknown;
  tally.started++;
  stream.on("response", (answer) => {
    status = answer["grpc-status"];
  });
  stream.on("trailers", (trailers) => {
    status = trailers["grpc-status"];
  });
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  // Errors of a stream that the end of the time broke off are expected; all others are counted at its end.
  stream.on("error", () => {});
  stream.on("close", () => {
    const now = performance.now();
    if (now >= end) return;
    if (status === "0") {
      tally.completed++;
      latenciesUs.push((now - start) * 1_000);
    } else tally.failed++;
    tally.bodyBytes += bytes;
    if (!session.destroyed) send(session);
  });
  stream.end(frame);
}
