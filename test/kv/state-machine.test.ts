import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, test, vi } from "vitest";
import { CommandSchema } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import type { StateMachine as KvStateMachine } from "../../src/kv/state-rows.ts";
import type { StateMachine } from "../../src/replica/state-machine.ts";
import { type CommandInit, Driver, encodeCommand, increment, put, requestId, utf8 } from "./driver.ts";
import { MemoryRows } from "./memory-rows.ts";

test("is what the replica drives", () => {
  const driver: KvStateMachine = new Driver().machine;
  const port: StateMachine = driver;
  expect(port.indexPrefix).toEqual(utf8("x"));
});

test("calls safe to propose again what names its request", () => {
  const { machine } = new Driver();
  expect(machine.inspect(encodeCommand(increment("n", 1n, { id: requestId("c", 1) })))).toBe("retrySafe");
  expect(machine.inspect(encodeCommand(increment("n", 1n)))).toBe("single");
  expect(machine.inspect(utf8("no command"))).toBe("unknown");
});

describe("log time", () => {
  test("follows the entries and never runs back", () => {
    const driver = new Driver();
    const times = [1000, 5000, 2000, 6000].map((timeMs) => {
      driver.timeMs = timeMs;
      driver.apply(put("a", "1"));
      return driver.summary().timeMs;
    });
    expect(times).toEqual([1000, 5000, 5000, 6000]);
  });

  test("trap 81: a session ends by log time, not by the clock of the member", () => {
    vi.useFakeTimers({ now: 0 });
    try {
      const driver = new Driver();
      driver.apply(put("a", "1", { id: requestId("c", 1) }));
      vi.setSystemTime(10 * 24 * 3_600_000);
      expect(driver.outcome(put("a", "2", { id: requestId("c", 2) }))).toBe("put");
      driver.timeMs += 2 * 3_600_000;
      vi.setSystemTime(0);
      expect(driver.outcome(put("a", "3", { id: requestId("c", 3) }))).toBe("SESSION_EXPIRED");
    } finally {
      vi.useRealTimers();
    }
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53])("stops at an entry of time %d", (timeMs) => {
    const driver = new Driver();
    driver.timeMs = timeMs;
    expect(() => driver.apply(put("a", "1"))).toThrow("milliseconds");
  });
});

describe("trap 85: what this version does not know stops it, and changes nothing", () => {
  const withField = (message: Uint8Array): Uint8Array =>
    new BinaryWriter().raw(message).tag(99, WireType.Varint).uint32(1).finish();
  const nested = (...path: number[]): Uint8Array => {
    let bytes = new BinaryWriter().tag(99, WireType.Varint).uint32(1).finish();
    for (const fieldNumber of path.reverse()) {
      bytes = new BinaryWriter().tag(fieldNumber, WireType.LengthDelimited).bytes(bytes).finish();
    }
    return bytes;
  };
  const known = encodeCommand(put("a", "1"));
  const both = (added: Uint8Array): Uint8Array => new BinaryWriter().raw(known).raw(added).finish();

  test.each([
    ["no command", toBinary(CommandSchema, create(CommandSchema, {}))],
    ["only a command of a later version", withField(new Uint8Array(0))],
    ["a field of a later version in the command", withField(known)],
    ["a field of a later version in the put", both(nested(1))],
    ["a field of a later version in the value", both(nested(1, 2))],
    ["a field of a later version in the request id", both(nested(15))],
    ["a cut command", known.subarray(0, known.length - 1)],
    ["an empty key", encodeCommand(put("", "1"))],
  ])("%s", (_what, command) => {
    const driver = new Driver();
    driver.apply(put("k", "v", { id: requestId("c", 1) }));
    driver.timeMs += 24 * 3_600_000;
    const before = driver.rows.snapshot();
    expect(() => driver.machine.apply(command, { index: 2, timeMs: driver.timeMs }, driver.rows)).toThrow(
      expect.objectContaining({ name: "UnknownCommandError" }),
    );
    expect(driver.rows.snapshot()).toEqual(before);
  });
});

describe("trap 86: a command is applied whole or not at all", () => {
  const failing: [string, CommandInit][] = [
    ["a condition that does not hold", put("text", "2", { if: 0 })],
    ["an increment of a text", increment("text", 1n)],
    ["an increment beyond 64 bits", increment("n", 2n ** 63n - 1n)],
    ["a sequence used before", put("n", "2", { id: requestId("c", 1) })],
    ["a sequence given up", put("n", "2", { id: requestId("c", 1, 2) })],
    ["an unknown session", put("n", "2", { id: requestId("d", 5, 5) })],
  ];
  test.each(failing)("%s changes no row", (_what, command) => {
    const driver = new Driver();
    driver.apply(put("text", "a text", { id: requestId("c", 1) }));
    driver.apply(increment("n", 1n));
    const before = driver.rows.snapshot();
    driver.apply(command);
    expect(driver.rows.snapshot()).toEqual(before);
  });
});

test("requests answered from a session are counted, and nothing else is", () => {
  const machine = createKvStateMachine();
  const rows = new MemoryRows(machine.indexPrefix);
  const once = encodeCommand(increment("n", 1n, { id: requestId("c", 1) }));
  for (const command of [once, encodeCommand(increment("n", 1n)), once, once]) {
    machine.apply(command, { index: 1, timeMs: 0 }, rows);
  }
  expect(machine.duplicateRequests).toBe(2);
});
