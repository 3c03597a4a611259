import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

/** Another machine, as far as one can have it here. */
interface Machine {
  readonly name: string;
  readonly node: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const seeds = [3, 17];
let folder = "";

beforeAll(async () => {
  mkdirSync(join(root, ".cache"), { recursive: true });
  folder = mkdtempSync(join(root, ".cache/simulator-"));
  // Compiled, since other versions of Node do not read TypeScript; in the repository, so that packages are found.
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { noEmit: false, rootDir: root, outDir: join(folder, "js") },
    include: [],
    files: [
      ...["main.ts", "hostile-globals.ts"].map((file) => join(root, "test/simulation", file)),
      join(root, "src/storage/rocksdb-module.d.ts"),
    ],
  };
  const configFile = join(folder, "tsconfig.json");
  writeFileSync(configFile, JSON.stringify(config));
  await run(join(root, "node_modules/.bin/tsc"), ["-p", configFile]);
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The versions of Node that are installed, each once, this one first. */
async function installedNodes(): Promise<Map<string, string>> {
  const found = new Map([[process.version, process.execPath]]);
  for (const place of (process.env["PATH"] ?? "").split(delimiter)) {
    const node = join(place, "node");
    const version = await run(node, ["--version"]).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
    if (version !== undefined && !found.has(version)) found.set(version, node);
  }
  return found;
}

/** A digest of everything that a seed's readable trace says, and of its hash. */
async function traceOn({ node, flags = [], env = {} }: Machine, seed: number): Promise<string> {
  const main = join(folder, "js/test/simulation/main.js");
  const { stdout } = await run(node, [...flags, main, "--seed", String(seed), "--trace"], {
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  expect(stdout).toMatch(/^trace [0-9a-f]{16}$/m);
  return createHash("sha256").update(stdout).digest("hex");
}

test("a seed gives the same trace, to the last character, on every machine that can be had here", async () => {
  const node = process.execPath;
  const hostile = join(folder, "js/test/simulation/hostile-globals.js");
  const others = [...(await installedNodes())].map(([version, path]) => ({ name: `Node ${version}`, node: path }));
  const machines: readonly Machine[] = [
    ...others,
    {
      name: "another time zone and locale",
      node,
      env: { TZ: "Asia/Kathmandu", LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8" },
    },
    { name: "other hashes, little memory", node, flags: ["--hash-seed=4711", "--max-semi-space-size=1"] },
    { name: "no optimizing compiler", node, flags: ["--no-opt", "--random-seed=42"] },
    { name: "no compiler at all", node, flags: ["--jitless"] },
    { name: "clocks, chance and mathematics of its own", node, flags: ["--import", hostile] },
  ];
  for (const seed of seeds) {
    const [first, ...rest] = machines;
    const trace = first === undefined ? "" : await traceOn(first, seed);
    for (const machine of rest) expect(await traceOn(machine, seed), `seed ${seed}: ${machine.name}`).toBe(trace);
  }
  process.stdout.write(`traces compared on: ${machines.map(({ name }) => name).join("; ")}\n`);
});
