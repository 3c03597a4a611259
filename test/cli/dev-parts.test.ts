import { describe, expect, test } from "vitest";
import { planDevCluster } from "../../src/cli/dev/dev-plan.ts";
import { formatLogLine } from "../../src/cli/dev/format-log-line.ts";
import { nextSteps } from "../../src/cli/dev/next-steps.ts";
import { type Leader, type LeaderView, watchLeader } from "../../src/cli/dev/watch-leader.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";

const options = { members: 3, dataDir: "data", clientPort: 50_051, peerPort: 7001, metricsPort: 9091 };

describe("the plan", () => {
  test("gives each member ports of its own, a directory and the same initial cluster", () => {
    const plan = planDevCluster(options);
    expect(plan.map(({ name, ports }) => [name, ports])).toEqual([
      ["n1", [50_051, 7001, 9091]],
      ["n2", [50_052, 7002, 9092]],
      ["n3", [50_053, 7003, 9093]],
    ]);
    expect(plan[1]?.flags).toEqual([
      ..."--name n2 --data-dir data/n2 --client-address 127.0.0.1:50052 --peer-address 127.0.0.1:7002".split(" "),
      ..."--metrics-address 127.0.0.1:9092 --initial-cluster".split(" "),
      "n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003",
    ]);
  });

  test("is a valid configuration of every member", () => {
    for (const { flags } of planDevCluster({ ...options, members: 9 })) {
      const camel = (flag: string) => flag.slice(2).replaceAll(/-./g, (part) => part.slice(1).toUpperCase());
      const pairs = flags.flatMap((flag, position) => (position % 2 === 0 ? [[camel(flag), flags[position + 1]]] : []));
      expect(resolveOptions({ flags: Object.fromEntries(pairs), env: {} }).config.initialCluster).toHaveLength(9);
    }
  });

  test.each([
    [{ peerPort: 50_053 }, "--peer-port 50053 runs into --client-port 50051; 3 members need 3 ports each"],
    [{ metricsPort: 6999 }, "--metrics-port 6999 runs into --peer-port 7001"],
    [{ metricsPort: 65_534 }, "--metrics-port 65534: port 65536 is above 65535"],
  ])("%j is refused", (ports, message) => {
    expect(() => planDevCluster({ ...options, ...ports })).toThrow(message);
  });
});

test("the next steps name the ports in use", () => {
  const text = nextSteps(planDevCluster({ ...options, clientPort: 6001, metricsPort: 6101 })).join("\n");
  expect(text).toContain(`'{"key":"greeting","value":"hello"}' localhost:6002 raftkv.v1.KvService/Put`);
  expect(text).toContain("curl -s localhost:6101/metrics");
  expect(nextSteps(planDevCluster({ ...options, members: 1 })).join("\n")).toContain("One member serves");
});

describe("a log line", () => {
  test.each([
    [
      '{"level":"info","time":"2026-01-02T03:04:05.678Z","member":"n1","term":3,"peer":"n2","msg":"elected"}',
      "03:04:05.678 info  elected term=3 peer=n2",
    ],
    [
      '{"level":"fatal","time":"","msg":"stopped","err":{"stack":"Error: why\\n  at x"}}',
      " fatal stopped \nError: why\n  at x",
    ],
    ['{"no":"message"}', '{"no":"message"}'],
    ["{broken", "{broken"],
    ["plain text", "plain text"],
  ])("%s", (line, text) => {
    expect(formatLogLine(line)).toBe(text);
  });
});

test("the watch tells each change of leader once, and believes the highest term", async () => {
  const view = (name: string, role: string, term: number): LeaderView => ({ name, role, term });
  const rounds = [
    [],
    [view("n1", "candidate", 1)],
    [view("n1", "leader", 1)],
    [view("n1", "leader", 1), view("n2", "follower", 1)],
    [view("n1", "leader", 1), view("n2", "leader", 2)],
    [view("n2", "follower", 2)],
    [view("n2", "leader", 3)],
  ];
  const told: (Leader | undefined)[] = [];
  const done = new AbortController();
  await watchLeader({
    readViews: async () => {
      const views = rounds.shift();
      if (views === undefined) done.abort();
      return views ?? [];
    },
    onLeader: (leader) => told.push(leader),
    intervalMs: 0,
    signal: done.signal,
  });
  expect(told).toEqual([{ name: "n1", term: 1 }, { name: "n2", term: 2 }, undefined, { name: "n2", term: 3 }]);
});
