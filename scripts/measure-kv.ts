// Measures what applying a Put costs, with and without a session, on rows in memory.
// CPU time of the process, so that neighbours on the machine count little.
// Run: node --experimental-transform-types --no-warnings scripts/measure-kv.ts
import { create, toBinary } from "@bufbuild/protobuf";
import { CommandSchema } from "../src/gen/raftkv/storage/v1/storage_pb.ts";
import { createKvStateMachine } from "../src/kv/kv-state-machine.ts";
import { MemoryRows } from "../test/kv/memory-rows.ts";

const commandsCount = 200_000;
const keysCount = 10_000;
const sessionsCount = 64;
const inFlight = 256;
const value = new Uint8Array(256).fill(0x78);
const encoder = new TextEncoder();

function encodePuts(withSession: boolean): Uint8Array[] {
  const commands: Uint8Array[] = [];
  for (let i = 0; i < commandsCount; i++) {
    const key = encoder.encode(`measure/key/${String((i * 7919) % keysCount).padStart(8, "0")}`);
    const sequence = Math.floor(i / sessionsCount) + 1;
    const id = {
      clientId: `client-${String(i % sessionsCount).padStart(12, "0")}`,
      sequence: BigInt(sequence),
      firstPendingSequence: BigInt(Math.max(1, sequence - inFlight)),
    };
    const put = { key, value: { data: value, text: true } };
    const command = create(CommandSchema, { command: { case: "put", value: put }, ...(withSession && { id }) });
    commands.push(toBinary(CommandSchema, command));
  }
  return commands;
}

function measure(name: string, commands: readonly Uint8Array[]): void {
  const machine = createKvStateMachine();
  const rows = new MemoryRows(machine.indexPrefix);
  let index = 0;
  const run = (): number => {
    const started = process.cpuUsage();
    for (const command of commands) {
      index++;
      machine.apply(command, { index, timeMs: 1_790_000_000_000 + Math.floor(index / 100) }, rows);
    }
    const { user, system } = process.cpuUsage(started);
    return ((user + system) * 1000) / commands.length;
  };
  const nsPerCommand = run();
  process.stdout.write(
    `${name.padEnd(24)} ${(nsPerCommand / 1000).toFixed(2)} us  ${Math.round(1e9 / nsPerCommand)} commands/s\n`,
  );
}

measure("put", encodePuts(false));
measure("put with session", encodePuts(true));
