import type { MemberId } from "../../src/raft/configuration.ts";
import type { Entry } from "../../src/raft/entry.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import { type Route, ScenarioCluster } from "./scenario-cluster.ts";
import { target, testOptions } from "./test-member.ts";

/** Two heartbeats make an election timeout, so that there is little to read. */
const scenarioOptions: RaftOptions = { ...testOptions, electionTimeoutMs: 100, heartbeatIntervalMs: 50 };

/**
 * Runs a scenario: its comments (`#`) and commands (`>`) stay, and what each command leads to stands below it, in place of
 * what stood there. `docs/testing.md` lists the commands.
 */
export function runScenario(text: string): string {
  let cluster: ScenarioCluster | undefined;
  const lines: string[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) lines.push(line);
    if (!line.startsWith(">")) continue;
    lines.push(line);
    try {
      const words = line.slice(1).trim().split(/\s+/);
      if (words[0] === "cluster") cluster = createCluster(words.slice(1));
      else if (cluster === undefined) throw new Error("a scenario begins with a cluster");
      else lines.push(...runLine(cluster, line.slice(1)).map((output) => `  ${output}`));
    } catch (error) {
      throw new Error(`line ${at + 1}: ${line}`, { cause: error });
    }
  }
  return lines.join("\n");
}

/** `a[1 1 2] b c heartbeatIntervalMs=10`: members, the terms of the entries that they start with, and options. */
function createCluster(words: readonly string[]): ScenarioCluster {
  const text = words.join(" ");
  const logs = new Map<MemberId, Entry[]>();
  for (const [, id = "", terms = ""] of text.matchAll(/(?<!\S)([a-z])(?:\[([\d ]*)\])?(?!\S)/g)) {
    const log = terms === "" ? [] : terms.split(" ").map(Number);
    logs.set(
      id,
      log.map((term, position) => ({ kind: "noop", index: position + 1, term, timeMs: 0 })),
    );
  }
  const options = new Map([...text.matchAll(/(\w+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, Number(value)]));
  return new ScenarioCluster(logs, withOptions(options));
}

function withOptions(given: ReadonlyMap<string, number>): RaftOptions {
  let options: RaftOptions = scenarioOptions;
  for (const [name, value] of given) {
    if (name === "clockDriftMax") options = { ...options, lease: { clockDriftMax: value } };
    else if (name === "inflightMessages") options = { ...options, inflight: { ...options.inflight, messages: value } };
    else if (name in options) options = { ...options, [name]: value };
    else throw new Error(`there is no option ${name}`);
  }
  return options;
}

/** Commands on one line follow one another; after `quietly` only how everybody stands at their end is told. */
function runLine(cluster: ScenarioCluster, line: string): string[] {
  const quietly = line.trimStart().startsWith("quietly ");
  const commands = line.replace(/^\s*quietly /, "").split(";");
  const output = commands.flatMap((command) => runCommand(cluster, command.trim().split(/\s+/)));
  return quietly ? cluster.ids.map((id) => cluster.status(id)) : output;
}

function runCommand(cluster: ScenarioCluster, [verb = "", ...words]: readonly string[]): string[] {
  const [first = "", second = ""] = words;
  const run = commands[verb];
  if (run === undefined) throw new Error(`there is no command ${verb}`);
  return run(cluster, first, second, words);
}

type Command = (cluster: ScenarioCluster, first: string, second: string, words: readonly string[]) => string[];

const commands: Readonly<Record<string, Command>> = {
  join: (cluster, id) => cluster.join(id),
  campaign: (cluster, id) => cluster.give(id, { type: "campaign" }),
  elect: (cluster, id) => [
    ...cluster.give(id, { type: "campaign" }),
    ...cluster.deliverAll(),
    ...cluster.tick(id, scenarioOptions.heartbeatIntervalMs),
    ...cluster.deliverAll(),
  ],
  tick: (cluster, _first, _second, words) => {
    const ids = words[0] === "all" ? cluster.ids : words.slice(0, -1);
    return ids.flatMap((id) => cluster.tick(id, Number(words.at(-1))));
  },
  propose: (cluster, id, _second, words) =>
    words.slice(1).flatMap((text) => cluster.give(id, { type: "propose", command: bytesOf(text) })),
  read: (cluster, id, context) => cluster.give(id, { type: "read", context: Number(context) }),
  transfer: (cluster, id, to) => cluster.give(id, { type: "transfer", target: to }),
  change: (cluster, id, to, words) => {
    const [voters = "", learners = ""] = to.split("+");
    return cluster.change(id, target(voters, learners, words[2] !== "promoting"));
  },
  deliver: (cluster, route, type) => {
    if (route === "") return cluster.deliverAll();
    return type === "first" ? cluster.deliverFirst(routeOf(route)) : cluster.deliver(routeOf(route), type);
  },
  repeat: (cluster, route, type) => cluster.repeat(routeOf(route), type),
  drop: (cluster, route, type) => cluster.drop(routeOf(route), type),
  cut: (cluster, route) => cut(cluster, route),
  hold: (cluster, route) => cluster.hold(routeOf(route)),
  heal: (cluster) => cluster.heal(),
  slow: (cluster, id) => cluster.slow(id, true),
  fast: (cluster, id) => cluster.slow(id, false),
  write: (cluster, id) => cluster.give(id, { type: "written" }),
  crash: (cluster, id, when) => cluster.crash(id, when === "written"),
  restart: (cluster, id) => cluster.restart(id),
  compact: (cluster, id, index) => cluster.give(id, { type: "compact", index: Number(index) }),
  fetch: (cluster, id, from) => cluster.fetch(id, from === "" ? null : from),
  install: (cluster, id) => cluster.install(id),
  status: (cluster, _first, _second, words) =>
    (words.length === 0 ? cluster.ids : words).map((id) => cluster.status(id)),
};

/** `a->b`, or `*` for anybody. */
function routeOf(text: string): Route {
  const [from = "*", to = "*"] = text.split("->");
  return { from: from === "*" ? null : from, to: to === "*" ? null : to };
}

/** One way, or with one name only both ways of a member. */
function cut(cluster: ScenarioCluster, route: string): string[] {
  const other = route.includes("->") ? [] : cluster.cut(routeOf(`*->${route}`));
  return [...cluster.cut(routeOf(route)), ...other];
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
