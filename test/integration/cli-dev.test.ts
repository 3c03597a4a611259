import { fork } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type DevHost, dev } from "../../src/cli/dev/dev.ts";
import { findBusyPorts } from "../../src/cli/dev/find-busy-ports.ts";
import { createProcessHost } from "../../src/cli/process-host.ts";
import { FakeProcess } from "../cli/fake-cli.ts";

const fakeServe = fileURLToPath(new URL("./fake-serve.mjs", import.meta.url));

/** First of nine ports on which nobody listens, below those that the system gives out by itself. */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + randomInt(10_000);
    const nine = Array.from({ length: 9 }, (_, offset) => first + offset);
    if ((await findBusyPorts(nine)).length === 0) return first;
  }
}

/** Starts `dev` over fake members; the behaviours are by name. */
async function start(behaviour: Readonly<Record<string, string>>, more: Partial<DevHost> = {}) {
  const first = await freePorts();
  const own = new FakeProcess();
  const lines: string[] = [];
  const code = dev(
    { members: 3, dataDir: "unused", clientPort: first, peerPort: first + 3, metricsPort: first + 6 },
    {
      process: createProcessHost(own),
      command: [process.execPath, fakeServe, JSON.stringify(behaviour)],
      readView: () => Promise.reject(new Error("nobody answers")),
      print: (line) => lines.push(line),
      colour: false,
      stopTimeoutMs: 10_000,
      pollIntervalMs: 5,
      ...more,
    },
  );
  const printed = (text: string) => expect.poll(() => lines.join("\n"), { timeout: 20_000 }).toContain(text);
  const serving = () => Promise.all(["n1", "n2", "n3"].map((name) => printed(`${name} |  info  serving`)));
  return { first, lines, printed, serving, code, told: (signal: string) => own.emit(signal, signal) };
}

describe("dev", () => {
  test("prefixes what members write, and stops them all on a signal", async () => {
    const { lines, serving, code, told } = await start({});
    await serving();
    told("SIGINT");
    expect(await code).toBe(0);
    expect(lines).toContain("SIGINT: stopping 3 members");
    for (const name of ["n1", "n2", "n3"]) expect(lines).toContain(`${name} |  info  told to stop`);
  });

  test("tells who leads whenever that changes, and the first time what to type next", async () => {
    let term = 1;
    const readView = async (address: string) => ({ name: address.slice(-1), role: "leader", term });
    const { lines, printed, code, told } = await start({}, { readView });
    await printed("leads (term 1)");
    term = 2;
    await printed("leads (term 2)");
    told("SIGTERM");
    expect(await code).toBe(0);
    expect(lines.filter((line) => line.includes("raftkv.v1.KvService/Put"))).toHaveLength(1);
  });

  test("says when a member ends by itself, lets the others go on, and then exits with 1", async () => {
    const { lines, serving, printed, code, told } = await start({ n2: "crash" });
    await serving();
    await printed("n2 has ended by itself (exit code 9). It is not started again; the others go on.");
    told("SIGINT");
    expect(await code).toBe(1);
    expect(lines.filter((line) => line.endsWith("told to stop"))).toHaveLength(2);
  });

  test("ends by itself when no member is left", async () => {
    const { lines, code } = await start({ n1: "crash", n2: "crash", n3: "crash" });
    expect(await code).toBe(1);
    expect(lines).toContain("every member has ended");
  });

  test("kills what does not stop in time, and says so", async () => {
    const { lines, serving, code, told } = await start({ n3: "deaf" }, { stopTimeoutMs: 500 });
    await serving();
    told("SIGINT");
    expect(await code).toBe(1);
    expect(lines).toContain("not stopped after 500 ms: killing what is left");
    expect(lines).toContain("n3 did not stop cleanly: signal SIGKILL");
  });

  test("colours the prefixes on a terminal", async () => {
    const { printed, code, told } = await start({}, { colour: true });
    await printed("\u001b[32mn1 | \u001b[0m");
    told("SIGINT");
    expect(await code).toBe(0);
  });

  test("refuses ports in use before anything starts, and names them", async () => {
    const first = await freePorts();
    const server = createServer().listen(first + 4, "127.0.0.1");
    await once(server, "listening");
    const host: DevHost = {
      process: createProcessHost(new FakeProcess()),
      command: [process.execPath, fakeServe],
      readView: () => Promise.reject(new Error("nobody answers")),
      print: () => {},
      colour: false,
      stopTimeoutMs: 1,
      pollIntervalMs: 1,
    };
    const options = { members: 3, dataDir: "unused", clientPort: first, peerPort: first + 3, metricsPort: first + 6 };
    await expect(dev(options, host)).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
      message: expect.stringMatching(`^port ${first + 4} is in use on 127.0.0.1; `),
    });
    server.close();
  });
});

test("a member ends when its parent is killed", async () => {
  const child = fork(fakeServe, ["{}", "--name", "n1"], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  if (child.stderr === null) throw new Error("no pipe");
  await once(child.stderr, "data");
  child.disconnect();
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
});
