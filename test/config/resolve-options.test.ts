import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { kebabName, type OptionKey, optionKeys, optionTable, variableName } from "../../src/config/option-table.ts";
import { printConfig } from "../../src/config/print-config.ts";
import { type OptionSources, resolveOptions } from "../../src/config/resolve-options.ts";
import { RaftKvError } from "../../src/lib/errors.ts";

function resolve(sources: Partial<OptionSources>) {
  return resolveOptions({ flags: {}, env: {}, ...sources });
}

function refusal(sources: Partial<OptionSources>): string {
  try {
    resolve(sources);
  } catch (error) {
    if (error instanceof RaftKvError && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  return "accepted";
}

function file(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-config-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "raftkv.yaml");
  writeFileSync(path, text);
  return path;
}

/** Options that can be given together: a member is one of the initial cluster or joins. */
const togetherKeys = optionKeys.filter((key): key is Exclude<OptionKey, "join"> => key !== "join");

/** A value other than the default for every such option, each fit for a member called n2. */
const other: Record<Exclude<OptionKey, "join">, string> = {
  name: "n2",
  dataDir: "/var/lib/raftkv",
  clientAddress: "[::1]:6001",
  advertiseClientAddress: "n2.example:6001",
  peerAddress: "0.0.0.0:6002",
  advertisePeerAddress: "n2.example:6002",
  metricsAddress: "127.0.0.1:0",
  initialCluster: "n1=n1.example:6002,n2=n2.example:6002",
  clusterToken: "blue",
  heartbeatInterval: "100ms",
  electionTimeout: "1500ms",
  linearizableReads: "lease",
  clockDriftLimit: "2.5%",
  learnerPromotionLag: "10",
  maxKeySize: "1KiB",
  maxValueSize: "2MiB",
  maxRequestSize: "3MiB",
  maxPendingProposals: "7",
  requestTimeout: "1m",
  drainTimeout: "0ms",
  compactionLogEntries: "5000",
  compactionLogSize: "1MiB",
  compactionInterval: "0ms",
  compactionTrailingEntries: "500",
  compactionPinnedSize: "2MiB",
  snapshotChunkSize: "64KiB",
  snapshotRateLimit: "10MiB",
  hashCheckInterval: "30m",
  scrubRateLimit: "5MiB",
  writeStallTimeout: "1m",
  storageQuota: "9GiB",
  storageReserve: "64MiB",
  storageEngine: "classic-level",
  logLevel: "warn",
};

const asVariables = Object.fromEntries(togetherKeys.map((key) => [variableName(key), other[key]]));
const asYaml = togetherKeys.map((key) => `${kebabName(key)}: "${other[key]}"\n`).join("");

describe("precedence", () => {
  test("a member without options is a cluster of one on the default ports", () => {
    expect(resolve({}).config).toMatchObject({
      name: "default",
      dataDir: "./data/default",
      clientAddress: "127.0.0.1:50051",
      peerAddress: "127.0.0.1:7001",
      metricsAddress: "127.0.0.1:9091",
      initialCluster: [{ name: "default", peerAddress: "127.0.0.1:7001" }],
      heartbeatIntervalMs: 50,
      electionTimeoutMs: 500,
      valueBytesMax: 1_048_576,
    });
  });

  test("flags, variables and file give the same configuration for every option", () => {
    const byFlags = resolve({ flags: other });
    expect(resolve({ env: asVariables }).config).toEqual(byFlags.config);
    expect(resolve({ configFile: file(asYaml) }).config).toEqual(byFlags.config);
    expect(byFlags.effective.map(({ key, source }) => [key, source])).toEqual(
      optionKeys.map((key) => [key, key === "join" ? "default" : `--${kebabName(key)}`]),
    );
  });

  test("a flag wins over a variable, a variable over the file, the file over the default", () => {
    const configFile = file("cluster-token: file\nlog-level: error\nmax-pending-proposals: 5\n");
    const env = { RAFTKV_CLUSTER_TOKEN: "variable", RAFTKV_LOG_LEVEL: "warn" };
    const { config } = resolve({ flags: { clusterToken: "flag" }, env, configFile });
    expect(config).toMatchObject({
      clusterToken: "flag",
      logLevel: "warn",
      pendingProposalsMax: 5,
      drainTimeoutMs: 20_000,
    });
  });

  test("RAFTKV_CONFIG names the file unless a flag does", () => {
    const env = { RAFTKV_CONFIG: file("cluster-token: variable") };
    expect(resolve({ env }).config.clusterToken).toBe("variable");
    expect(resolve({ env, configFile: file("cluster-token: flag") }).config.clusterToken).toBe("flag");
  });

  test("the configuration is frozen, the members in it too", () => {
    const { config } = resolve({});
    expect([config, config.initialCluster, config.initialCluster[0]].every(Object.isFrozen)).toBe(true);
  });
});

describe("derived defaults", () => {
  test("a wildcard peer address advertises the member's address in the initial cluster", () => {
    const { config } = resolve({
      flags: {
        name: "n1",
        clientAddress: "0.0.0.0:50051",
        peerAddress: "0.0.0.0:7001",
        initialCluster: "n2=n2.svc:7001,n1=n1.svc:7001",
      },
    });
    expect(config).toMatchObject({ advertisePeerAddress: "n1.svc:7001", advertiseClientAddress: "n1.svc:50051" });
    expect(config.initialCluster.map((member) => member.name)).toEqual(["n1", "n2"]);
  });

  test("the initial cluster of the file may be a map", () => {
    const configFile = file("name: n2\npeer-address: h:2\ninitial-cluster:\n  n2: h:2\n  n1: h:1\n");
    expect(resolve({ configFile }).config.initialCluster).toEqual([
      { name: "n1", peerAddress: "h:1" },
      { name: "n2", peerAddress: "h:2" },
    ]);
  });
});

describe("refusals", () => {
  test.each([
    [{ name: "a b" }, 'name is "a b" (--name): a name is 1 to 63 letters'],
    [{ name: "" }, 'name is "" (--name): a name is 1 to 63 letters'],
    [{ dataDir: "" }, 'data-dir is "" (--data-dir): it must not be empty'],
    [{ clientAddress: "50051" }, 'client-address is "50051" (--client-address): an address is HOST:PORT'],
    [{ clientAddress: "h:65536" }, "port 65536 is above 65535"],
    [{ peerAddress: "h:02380" }, 'peer-address is "h:02380" (--peer-address): an address is HOST:PORT'],
    [{ clientAddress: "[n1]:1" }, '"n1" is not an IPv6 address'],
    [
      { heartbeatInterval: "50" },
      'heartbeat-interval is "50" (--heartbeat-interval): a duration is a number with a unit',
    ],
    [
      { heartbeatInterval: "1ms" },
      'heartbeat-interval is "1ms" (--heartbeat-interval): it must lie between 5ms and 10s',
    ],
    [
      { heartbeatInterval: "101ms" },
      'election-timeout is "500ms" (default): it must be at least 505ms, 5 × heartbeat-interval (101ms)',
    ],
    [{ maxValueSize: "1MB" }, 'max-value-size is "1MB" (--max-value-size): a size is a whole number with a unit'],
    [
      { maxValueSize: "2MiB" },
      'max-request-size is "2MiB" (default): it must be at least 2053KiB, max-key-size (4KiB)',
    ],
    [
      { compactionLogSize: "2GiB" },
      'compaction-pinned-size is "1GiB" (default): it must be at least compaction-log-size (2GiB)',
    ],
    [{ compactionLogEntries: "99" }, "it must lie between 100 and 100000000"],
    [{ snapshotChunkSize: "5MiB" }, "it must lie between 16KiB and 4MiB"],
    [{ snapshotRateLimit: "1025GiB" }, "it must lie between 0B and 1024GiB"],
    [{ maxPendingProposals: "-1" }, "a count is a whole number"],
    [{ maxPendingProposals: "0" }, "it must lie between 1 and 1000000"],
    [{ logLevel: "loud" }, 'log-level is "loud" (--log-level): it must be one of debug, info, warn, error'],
    [{ storageEngine: "lmdb" }, "it must be one of classic-level, rocksdb"],
    [{ clusterToken: "a\u0000" }, "it must not hold control characters"],
    [{ clusterToken: "x".repeat(129) }, "it has 129 characters; the limit is 128"],
    [
      { peerAddress: "127.0.0.1:50051" },
      'peer-address is "127.0.0.1:50051" (--peer-address): client-address is the same',
    ],
    [{ metricsAddress: "0.0.0.0:7001" }, "peer-address is the same; each needs its own"],
    [
      { peerAddress: "0.0.0.0:7001" },
      'advertise-peer-address is "0.0.0.0:7001" (default): nobody can connect to a wildcard',
    ],
    [
      { initialCluster: "n1=h:1" },
      'initial-cluster is "n1=h:1" (--initial-cluster): it must contain this member\'s name, "default"',
    ],
    [
      { initialCluster: "default=h:1" },
      'advertise-peer-address is "127.0.0.1:7001" (default): it must equal the address of default in initial-cluster, h:1',
    ],
    [{ initialCluster: "n1" }, '"n1" is not NAME=HOST:PORT'],
    [{ initialCluster: "n1=h:1,n1=h:2" }, "member n1 is listed twice"],
    [{ initialCluster: "n1=h:1,n2=h:1" }, "members n1 and n2 have the same address h:1"],
    [{ initialCluster: "n1=h:0" }, "the other members cannot connect to port 0"],
    [{ initialCluster: "n1=0.0.0.0:1" }, "the other members cannot connect to 0.0.0.0"],
    [
      { initialCluster: Array.from({ length: 16 }, (_, n) => `n${n}=h:${n + 1}`).join(",") },
      "it lists 16 members; the limit is 15",
    ],
    [
      { peerAddress: "h:0", advertisePeerAddress: "h:1", initialCluster: "default=h:1,n2=h:2" },
      'peer-address is "h:0" (--peer-address): port 0 is only for a cluster of one member',
    ],
  ] as const)("%j", (flags, message) => {
    expect(refusal({ flags })).toContain(message);
  });

  test("unknown variables are named, with the nearest known one", () => {
    expect(refusal({ env: { RAFTKV_ELECTION_TIMEUOT: "1s" } })).toContain(
      "unknown variable RAFTKV_ELECTION_TIMEUOT; did you mean RAFTKV_ELECTION_TIMEOUT?",
    );
    expect(refusal({ env: { RAFTKV_X: "1" } })).toBe("a setting is wrong\n  unknown variable RAFTKV_X");
  });

  test("unknown keys of the file are named, with the nearest known one; camel case is unknown", () => {
    const configFile = file("heartbeat-intervall: 1s\nelectionTimeout: 1s\nmembers: 3\n");
    const message = refusal({ configFile });
    expect(message).toContain(`unknown key heartbeat-intervall in ${configFile}; did you mean heartbeat-interval?`);
    expect(message).toContain(`unknown key electionTimeout in ${configFile}; did you mean election-timeout?`);
    expect(message).toMatch(/unknown key members in \S+$/m);
  });

  test("all problems of all sources are told at once", () => {
    const message = refusal({
      flags: { logLevel: "loud", heartbeatInterval: "1s", initialCluster: "n1=h:1" },
      env: { RAFTKV_NAME: "a b", RAFTKV_Y: "" },
      configFile: file("drain-timeout: soon\nclient-address: [1, 2]\n"),
    });
    expect(message.split("\n")[0]).toBe("6 settings are wrong");
    for (const part of [
      "(--log-level)",
      "at least 5s, 5 × heartbeat",
      "(RAFTKV_NAME)",
      "RAFTKV_Y",
      "(drain-timeout in ",
      "client-address in",
    ]) {
      expect(message).toContain(part);
    }
  });

  test.each([
    ["name: [", "raftkv.yaml: "],
    ["name: a\nname: b\n", "Map keys must be unique"],
    ["- name\n", 'must hold keys and values, such as "name: n1"'],
    ["initial-cluster:\n  n1: [1]\n", "must have one value or a map"],
    ["name:\n", 'name is "" (name in '],
  ])("the file %j", (text, message) => {
    expect(refusal({ configFile: file(text) })).toContain(message);
  });

  test("a file that cannot be read is named with the reason", () => {
    expect(refusal({ configFile: "/nowhere/raftkv.yaml" })).toMatch(
      /^cannot read the configuration file \/nowhere\/raftkv.yaml: ENOENT/,
    );
    expect(refusal({ configFile: tmpdir() })).toContain("EISDIR");
    expect(refusal({ configFile: file(`# ${"x".repeat(1024 * 1024)}`) })).toContain("is larger than 1048576 bytes");
  });
});

test("variables that Kubernetes makes for a Service called raftkv are no options", () => {
  const env = {
    RAFTKV_SERVICE_HOST: "10.0.0.1",
    RAFTKV_SERVICE_PORT: "50051",
    RAFTKV_SERVICE_PORT_GRPC: "50051",
    RAFTKV_PORT: "tcp://10.0.0.1:50051",
    RAFTKV_PORT_50051_TCP: "tcp://10.0.0.1:50051",
    RAFTKV_PORT_50051_TCP_ADDR: "10.0.0.1",
    RAFTKV_CLIENT_SERVICE_HOST: "10.0.0.2",
  };
  expect(resolve({ env }).config).toEqual(resolve({}).config);
  expect(refusal({ env: { RAFTKV_PORT: "50051" } })).toContain("unknown variable RAFTKV_PORT");
});

describe("join", () => {
  const join = "h1:50051,h2:50051,h1:50051";

  test("stands instead of the initial cluster", () => {
    const { config } = resolve({ flags: { name: "n4", join } });
    expect(config).toMatchObject({ join: ["h1:50051", "h2:50051"], initialCluster: [] });
    expect(refusal({ flags: { name: "n4", join, initialCluster: "n4=127.0.0.1:7001" } })).toContain(
      "a member is one of initial-cluster or joins a cluster, not both",
    );
  });

  test.each([
    [{ join: "h1" }, "an address is HOST:PORT"],
    [{ join: "h1:0" }, "nobody listens on port 0"],
    [{ join: Array.from({ length: 51 }, (_, n) => `h${n}:1`).join(",") }, "it lists 51 addresses; the limit is 50"],
    [{ join, peerAddress: "127.0.0.1:0" }, "port 0 is only for a cluster of one member"],
    [{ join, peerAddress: "0.0.0.0:7001" }, "nobody can connect to a wildcard"],
  ])("%j is refused", (flags, problem) => {
    expect(refusal({ flags })).toContain(problem);
  });
});

describe("print-config", () => {
  test.each([
    ["of defaults", {}],
    ["of every option given", { flags: other }],
    ["of text that YAML would take for something else", { flags: { clusterToken: "0x10: # 'no'", dataDir: "1e3" } }],
    ["of a member with the name null", { flags: { name: "null" } }],
  ])("%s is a configuration file that gives the same again", (_, sources) => {
    const resolved = resolve(sources);
    const again = resolve({ configFile: file(printConfig(resolved.effective)) });
    expect(again.config).toEqual(resolved.config);
    expect(printConfig(resolved.effective).trim().split("\n")).toHaveLength(togetherKeys.length);
  });

  test("tells where each value came from", () => {
    const { effective } = resolve({ env: { RAFTKV_LOG_LEVEL: "debug" } });
    expect(printConfig(effective)).toContain("log-level: debug # RAFTKV_LOG_LEVEL\n");
    expect(printConfig(effective)).toContain("heartbeat-interval: 50ms # default\n");
  });
});

test("every option is described, and every plain default is written as its type writes it", () => {
  const { effective } = resolve({});
  for (const { key, text } of effective) {
    const { defaultText, defaultHelp, help } = optionTable[key];
    expect([text, help.endsWith("."), defaultHelp.length > 0]).toEqual([defaultText ?? text, false, true]);
  }
});
