import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { optionKeys, variableName } from "../../src/config/option-table.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";

const root = resolve(import.meta.dirname, "../..");

interface Instruction {
  readonly name: string;
  readonly argument: string;
}

interface Stage {
  readonly base: string;
  readonly alias: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile; comments dropped, continued lines joined. */
function parseDockerfile(text: string): Stage[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n");
  const stages: { base: string; alias: string | undefined; instructions: Instruction[] }[] = [];
  for (const line of lines.filter((each) => each.trim() !== "")) {
    const [, name = "", argument = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    const from = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(argument);
    if (name === "FROM") stages.push({ base: from?.[1] ?? "", alias: from?.[2], instructions: [] });
    else stages.at(-1)?.instructions.push({ name, argument });
  }
  return stages;
}

const stages = parseDockerfile(readFileSync(join(root, "deploy/Dockerfile"), "utf8"));
const [build, image] = stages as [Stage, Stage];
const argumentsOf = (stage: Stage, name: string) =>
  stage.instructions.filter((instruction) => instruction.name === name).map(({ argument }) => argument);

/** The sources that a stage copies from the build context. */
function contextSources(stage: Stage): string[] {
  return argumentsOf(stage, "COPY")
    .filter((argument) => !argument.startsWith("--from="))
    .flatMap((argument) => argument.split(/\s+/).slice(0, -1));
}

/** Variables that the image sets for the program. */
function environment(): Record<string, string> {
  const pairs = argumentsOf(image, "ENV").flatMap((argument) => argument.split(/\s+/));
  return Object.fromEntries(pairs.map((pair) => pair.split("=", 2) as [string, string]));
}

describe("the image", () => {
  test("is built in one stage and shipped in another, both on the Node that the project pins", () => {
    expect(stages.map(({ alias }) => alias)).toEqual(["build", undefined]);
    const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const major = /(\d+)/.exec(devDependencies.node)?.[1];
    for (const { base } of stages) expect(base).toMatch(new RegExp(`^node:${major}-`));
  });

  test("copies only what exists and what .dockerignore lets into the context", () => {
    const admitted = readFileSync(join(root, ".dockerignore"), "utf8").match(/^!(.+)$/gm) ?? [];
    const sources = [...contextSources(build), ...contextSources(image)];
    expect(sources).not.toEqual([]);
    for (const source of sources) {
      expect(existsSync(join(root, source)), `${source} exists`).toBe(true);
      expect(admitted, `${source} is in the context`).toContain(`!${source}`);
    }
  });

  test("takes from the build stage only what that stage makes, and no development packages", () => {
    const made = argumentsOf(image, "COPY").filter((argument) => argument.startsWith("--from="));
    expect(made.map((argument) => argument.split(/\s+/)[1])).toEqual([
      "/build/raftkv.protoset",
      "/build/node_modules",
      "/build/dist",
    ]);
    const script = argumentsOf(build, "RUN").join("\n");
    for (const step of ["npm ci", "npm run build", "-o raftkv.protoset", "npm prune --omit=dev"]) {
      expect(script).toContain(step);
    }
    expect(script.trimEnd().endsWith("npm prune --omit=dev")).toBe(true);
  });

  test("runs as the user that the StatefulSet names, who is not root", () => {
    const manifest = readFileSync(join(root, "deploy/kubernetes/stateful-set.yaml"), "utf8");
    const user = /runAsUser: (\d+)/.exec(manifest)?.[1];
    expect(argumentsOf(image, "USER")).toEqual([`${user}:${user}`]);
    expect(Number(user)).toBeGreaterThan(0);
  });

  test("starts the command that it copied", () => {
    const [entryPoint = "[]"] = argumentsOf(image, "ENTRYPOINT");
    const [program] = JSON.parse(entryPoint) as [string];
    const [directory = ""] = argumentsOf(image, "WORKDIR");
    expect(program.startsWith(`${directory}/`)).toBe(true);
    const source = program.slice(directory.length + 1);
    expect(contextSources(image)).toContain(source.split("/")[0]);
    expect(statSync(join(root, source)).mode & 0o111, `${source} is executable`).not.toBe(0);
    expect(argumentsOf(image, "CMD")).toEqual(['["serve"]']);
    expect(argumentsOf(image, "STOPSIGNAL")).toEqual(["SIGTERM"]);
  });

  test("sets only options that the program has, to values that it accepts", () => {
    const options = Object.entries(environment()).filter(([name]) => name.startsWith("RAFTKV_"));
    const names = optionKeys.map(variableName);
    for (const [name] of options) expect(names).toContain(name);
    const { effective } = resolveOptions({ flags: {}, env: environment() });
    const exposed = argumentsOf(image, "EXPOSE").flatMap((argument) => argument.split(/\s+/));
    const listening = effective.filter(({ key }) => ["clientAddress", "peerAddress", "metricsAddress"].includes(key));
    expect(new Set(listening.map(({ text }) => text.split(":").at(-1)))).toEqual(new Set(exposed));
  });
});
