// Measures one peer link between two processes: `node --experimental-transform-types scripts/measure-transport.ts [seconds]`.
// The parent sends AppendEntries messages with 256-byte commands, the child receives them and answers each frame.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { GrpcPeerTransport } from "../src/transport/grpc-peer-transport.ts";
import { decodeMessages } from "../src/transport/message-decoder.ts";
import { encodeMessages } from "../src/transport/message-encoder.ts";
import type { PeerMessage } from "../src/transport/peer-transport.ts";

interface Usage {
  readonly cpuUs: number;
  readonly frames: number;
}

const commandBytes = 256;
const seconds = Number(process.argv[2] ?? 3);

function identityOf(memberId: string) {
  return { clusterId: "c1", memberId, name: memberId, dataDirectoryId: `d-${memberId}`, clientAddress: "127.0.0.1:1" };
}

function appendOf(count: number, prevLogIndex: number): PeerMessage {
  const entries = Array.from({ length: count }, (_, i) => {
    const command = new Uint8Array(commandBytes).fill(i);
    return { kind: "command", index: prevLogIndex + 1 + i, term: 7, timeMs: 1_790_000_000_000, command } as const;
  });
  return {
    type: "AppendEntriesRequest",
    from: "a",
    to: "b",
    term: 7,
    prevLogIndex,
    prevLogTerm: 7,
    entries,
    commitIndex: 0,
  };
}

function answerOf(round: number): PeerMessage {
  const head = { type: "AppendEntriesResponse", from: "b", to: "a", term: 7, success: true } as const;
  return { ...head, matchIndex: round, rejectedIndex: 0, hintIndex: 0, hintTerm: 0 };
}

function cpuUs(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

async function receive(parentAddress: string): Promise<void> {
  const transport = new GrpcPeerTransport({ identity: identityOf("b"), listenAddress: "127.0.0.1:0" });
  let usage = process.cpuUsage();
  let frames = 0;
  await transport.start({
    onMessages(from, messages) {
      frames += 1;
      transport.send(
        from,
        messages.map((_message, position) => answerOf(position)),
      );
    },
    onHello: async () => {},
    onUnreachable: () => {},
    onSnapshotChunk: () => Promise.reject(new Error("nothing is kept here")),
  });
  transport.setPeers([{ id: "a", name: "a", peerAddress: parentAddress }]);
  process.on("message", (command) => {
    if (command === "stop") void transport.close().then(() => process.disconnect());
    if (command === "begin") {
      usage = process.cpuUsage();
      frames = 0;
    }
    if (command === "end") process.send?.({ cpuUs: cpuUs(usage), frames } satisfies Usage);
  });
  process.send?.(transport.address);
}

async function nextMessage<T>(child: ReturnType<typeof fork>): Promise<T> {
  return new Promise((resolve) => child.once("message", (message) => resolve(message as T)));
}

/** Keeps `inFlight` messages of `entries` entries under way for some seconds. */
async function measure(
  transport: GrpcPeerTransport,
  child: ReturnType<typeof fork>,
  answered: { count: number; on: () => void },
  { entries, inFlight }: { entries: number; inFlight: number },
): Promise<Record<string, number>> {
  const message = appendOf(entries, 1_000_000);
  child.send("begin");
  const usage = process.cpuUsage();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  answered.count = 0;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const fill = () => {
      if (performance.now() >= end) {
        if (answered.count >= sent) resolve();
        return;
      }
      while (sent - answered.count < inFlight) {
        transport.send("b", [message]);
        sent += 1;
      }
    };
    answered.on = fill;
    fill();
  });
  const elapsedMs = performance.now() - begin;
  const senderUs = cpuUs(usage);
  child.send("end");
  const receiver = await nextMessage<Usage>(child);
  return {
    "entries/message": entries,
    "in flight": inFlight,
    "messages/s": Math.round((sent / elapsedMs) * 1000),
    "entries/s": Math.round((sent * entries * 1000) / elapsedMs),
    "messages/frame": round(sent / receiver.frames),
    "round trip us": round((elapsedMs * 1000 * inFlight) / sent),
    "sender us/frame": round(senderUs / receiver.frames),
    "receiver us/frame": round(receiver.cpuUs / receiver.frames),
    "both us/entry": round((senderUs + receiver.cpuUs) / (sent * Math.max(1, entries))),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Cost of the codec alone, microseconds of CPU. */
function measureCodec(entries: number): Record<string, number> {
  const messages = [appendOf(entries, 1_000_000)];
  const frame = encodeMessages(messages);
  const timeOf = (run: () => unknown) => {
    const runs = Math.ceil(300_000 / (entries + 3));
    for (let i = 0; i < runs / 5; i += 1) run();
    const usage = process.cpuUsage();
    for (let i = 0; i < runs; i += 1) run();
    return cpuUs(usage) / runs;
  };
  const encodeUs = timeOf(() => encodeMessages(messages));
  const decodeUs = timeOf(() => decodeMessages(frame, { from: "a", to: "b" }));
  return {
    "entries/message": entries,
    "encode us": round(encodeUs),
    "decode us": round(decodeUs),
    "encode us/entry": round(encodeUs / Math.max(1, entries)),
    "decode us/entry": round(decodeUs / Math.max(1, entries)),
  };
}

async function main(): Promise<void> {
  const print = (rows: Record<string, number>[]) => {
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
  };
  print([0, 1, 16, 128].map(measureCodec));
  const transport = new GrpcPeerTransport({ identity: identityOf("a"), listenAddress: "127.0.0.1:0" });
  const answered = { count: 0, on: () => {} };
  let connected = () => {};
  await transport.start({
    onMessages(_from, messages) {
      answered.count += messages.length;
      answered.on();
    },
    onHello: async () => connected(),
    onUnreachable: () => {},
    onSnapshotChunk: () => Promise.reject(new Error("nothing is kept here")),
  });
  const child = fork(fileURLToPath(import.meta.url), ["--receive", transport.address]);
  const peerAddress = await nextMessage<string>(child);
  const introduced = new Promise<void>((resolve) => (connected = resolve));
  transport.setPeers([{ id: "b", name: "b", peerAddress }]);
  await introduced;
  while (transport.stats().get("b")?.connected !== true) await new Promise((resolve) => setTimeout(resolve, 10));
  const loads = [
    { entries: 0, inFlight: 1 },
    { entries: 1, inFlight: 1 },
    { entries: 1, inFlight: 64 },
    { entries: 16, inFlight: 4 },
    { entries: 128, inFlight: 4 },
    { entries: 1024, inFlight: 4 },
  ];
  for (const load of loads) print([await measure(transport, child, answered, load)]);
  child.send("stop");
  await transport.close();
}

if (process.argv[2] === "--receive") await receive(process.argv[3] ?? "");
else await main();
