import { setImmediate } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { ProcessLog } from "../../src/cli/create-logger.ts";
import { createProcessHost } from "../../src/cli/process-host.ts";
import type { RunningMember } from "../../src/cli/running-member.ts";
import { serve } from "../../src/cli/serve.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";
import { AssertionError } from "../../src/lib/assert.ts";
import { RaftKvError } from "../../src/lib/errors.ts";
import { cli, FakeProcess } from "./fake-cli.ts";

const facts = {
  clusterId: "c",
  memberId: "m",
  clientAddress: "h:1",
  peerAddress: "h:2",
  metricsAddress: "h:3",
  dataDir: "/data",
  durability: "none",
};
const never = new Promise<never>(() => {});
const handOver = async () => {};

/** Runs `serve` over a member that does what the test says, and keeps what happens, in order. */
function run(member: Partial<RunningMember> = {}, flags: Record<string, string> = {}) {
  const process = new FakeProcess();
  const events: string[] = [];
  let serving = () => {};
  const started = new Promise<void>((resolve) => {
    serving = resolve;
  });
  const note = (level: string) => (_: unknown, message: string) => {
    events.push(`${level} ${message}`);
    if (message === "serving") serving();
  };
  const log: ProcessLog = {
    debug: note("debug"),
    info: note("info"),
    warn: note("warn"),
    error: note("error"),
    fatal: note("fatal"),
    close: async () => {
      events.push("log closed");
    },
  };
  const running: RunningMember = {
    facts,
    fatal: never,
    handOver: async () => {
      events.push("hand over");
    },
    requestsUnderWay: () => 1,
    drain: async () => {
      events.push("drain");
    },
    close: async () => {
      events.push("close");
    },
    ...member,
  };
  const { config } = resolveOptions({ flags, env: {} });
  const start = (given: typeof running | Error) => () =>
    given instanceof Error ? Promise.reject(given) : Promise.resolve(given);
  return {
    process,
    events,
    started,
    code: serve(config, log, start(running), createProcessHost(process)),
    refuse: (error: Error) => serve(config, log, start(error), createProcessHost(process)),
  };
}

describe("told to stop", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s drains, closes and exits with 0", async (signal) => {
    const { process, events, started, code } = run();
    await started;
    process.emit(signal, signal);
    expect(await code).toBe(0);
    expect(events).toEqual([
      "info serving",
      "info stopping",
      "hand over",
      "drain",
      "close",
      "info stopped",
      "log closed",
    ]);
    expect([process.listenerCount("SIGTERM"), process.listenerCount("uncaughtException")]).toEqual([0, 0]);
  });

  test("the end of the parent stops a member that has an IPC channel", async () => {
    const process = new FakeProcess();
    process.connected = true;
    const start = async () => ({
      facts,
      fatal: never,
      handOver,
      requestsUnderWay: () => 0,
      drain: async () => {},
      close: async () => {},
    });
    const ended = cli(["serve", "--log-level", "error"], { process, start });
    process.emit("disconnect");
    expect((await ended).code).toBe(0);
  });

  test("a second signal exits at once with 128 + its number", async () => {
    const { process, started } = run({ drain: () => never });
    await started;
    process.emit("SIGINT", "SIGINT");
    process.emit("SIGTERM", "SIGTERM");
    expect(process.exits).toEqual([143]);
  });

  test("a member that has not started yet ends at once, with 0", async () => {
    const process = new FakeProcess();
    const ended = cli(["serve", "--log-level", "error"], { process, start: () => never });
    process.emit("SIGTERM", "SIGTERM");
    expect((await ended).code).toBe(0);
  });

  test("leadership is handed over even when nothing is to be drained, for an election timeout at most", async () => {
    let handedOver = () => {};
    const slow = new Promise<void>((resolve) => {
      handedOver = resolve;
    });
    const { process, events, started, code } = run({ handOver: () => slow }, { drainTimeout: "0ms" });
    await started;
    process.emit("SIGTERM", "SIGTERM");
    await vi.waitUntil(() => events.includes("info stopping"));
    await setImmediate();
    expect(events).not.toContain("drain");
    handedOver();
    expect(await code).toBe(0);
    const hung = run({ handOver: () => never }, { heartbeatInterval: "5ms", electionTimeout: "50ms" });
    await hung.started;
    hung.process.emit("SIGTERM", "SIGTERM");
    expect(await hung.code).toBe(0);
    expect(hung.events).toContain("drain");
  });

  test("requests that outlast the drain time do not keep the process", async () => {
    const { process, events, started, code } = run({ drain: () => never }, { drainTimeout: "1ms" });
    await started;
    process.emit("SIGTERM", "SIGTERM");
    expect(await code).toBe(0);
    expect(events).toContain("warn requests were still under way when the drain time was up");
    expect(events).toContain("close");
  });

  test("nothing is told of requests where there were none, however short the drain time is", async () => {
    for (const drainTimeout of ["0ms", "1ms"]) {
      const { process, events, started, code } = run(
        { drain: () => never, requestsUnderWay: () => 0 },
        { drainTimeout },
      );
      await started;
      process.emit("SIGTERM", "SIGTERM");
      expect(await code).toBe(0);
      expect(events.filter((event) => event.startsWith("warn"))).toEqual([]);
    }
  });
});

describe("broken", () => {
  test.each([
    ["an operating error", new RaftKvError("WRITE_FAILED", "disk gone"), 1],
    ["a directory without what was acknowledged", new RaftKvError("DATA_LOST", "replace it"), 6],
    ["a broken invariant", new AssertionError("applied > committed"), 70],
  ])("%s while serving is logged, and nothing is drained", async (_, error, code) => {
    const { events, code: ended } = run({ fatal: Promise.reject(error) });
    expect(await ended).toBe(code);
    expect(events).toEqual(["info serving", `fatal ${error.message}`, "log closed"]);
  });

  test("trap 58: a member that hangs at the disk kills its process, whether it finds that out or is told to stop", async () => {
    const stalled = run({ fatal: Promise.reject(new RaftKvError("WRITE_STALLED", "30 s")) });
    expect(await stalled.code).toBe(137);
    expect(stalled.events).toEqual(["info serving", "fatal 30 s", "log closed"]);
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { process, events, started, code } = run({ close: () => never });
    await started;
    process.emit("SIGTERM", "SIGTERM");
    await vi.advanceTimersByTimeAsync(5000);
    expect(await code).toBe(137);
    expect(events.slice(-2)).toEqual(["error closing did not end in time; the process kills itself", "log closed"]);
  });

  test("an error while draining ends the drain", async () => {
    let fail: (error: Error) => void = () => {};
    const fatal = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const { process, started, code } = run({ fatal, drain: () => never });
    await started;
    process.emit("SIGTERM", "SIGTERM");
    fail(new AssertionError("late"));
    expect(await code).toBe(70);
  });

  test("a member that cannot start is logged with the reason", async () => {
    const { events, refuse } = run();
    expect(await refuse(new RaftKvError("ADDRESS_IN_USE", "127.0.0.1:1 is in use"))).toBe(1);
    expect(events).toContain("fatal 127.0.0.1:1 is in use");
  });

  test.each(["uncaughtException", "unhandledRejection"])("%s is logged, then exits with 70", async (event) => {
    const { process, events, started } = run();
    await started;
    process.emit(event, new Error("bug"));
    await expect.poll(() => process.exits).toEqual([70]);
    expect(events.slice(-2)).toEqual(["fatal bug", "log closed"]);
  });
});

describe("the command", () => {
  test("ends the process when the member fails, whatever the member still holds", async () => {
    const process = new FakeProcess();
    const fatal = Promise.reject(new RaftKvError("WRITE_FAILED", "disk gone"));
    const start = async () => ({
      facts,
      fatal,
      handOver,
      requestsUnderWay: () => 0,
      drain: async () => {},
      close: () => never,
    });
    await cli(["serve", "--log-level", "error"], { process, start });
    expect(process.exits).toEqual([1]);
  });

  test("kills the process when a write hangs: an exit would wait for it", async () => {
    const process = new FakeProcess();
    const fatal = Promise.reject(new RaftKvError("WRITE_STALLED", "30 s"));
    const start = async () => ({
      facts,
      fatal,
      handOver,
      requestsUnderWay: () => 0,
      drain: async () => {},
      close: () => never,
    });
    await cli(["serve", "--log-level", "error"], { process, start });
    expect(process).toMatchObject({ exits: [], killed: true });
  });

  test("prints the options in force", async () => {
    const { code, stdout } = await cli(["serve", "--print-config", "--name", "n7"], {
      env: { RAFTKV_LOG_LEVEL: "warn" },
    });
    expect(code).toBe(0);
    expect(stdout).toContain("name: n7 # --name\ndata-dir: ./data/n7 # default\n");
    expect(stdout).toContain("log-level: warn # RAFTKV_LOG_LEVEL\n");
  });

  test("exits with 2 on wrong settings, before anything starts", async () => {
    const { code, stderr } = await cli(["serve", "--heartbeat-interval", "1s", "--max-key-size", "0B"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('max-key-size is "0B" (--max-key-size): it must lie')]);
  });

  test("suggests the flag that was meant", async () => {
    const { code, stderr } = await cli(["serve", "--electiontimeout", "1s"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("Did you mean --election-timeout?")]);
  });

  test("lists every option in its help", async () => {
    const { code, stdout } = await cli(["serve", "--help"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("--advertise-peer-address <HOST:PORT>")]);
  });
});
