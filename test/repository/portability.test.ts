import { join, normalize } from "node:path/posix";
import { describe, expect, test } from "vitest";
import { projectFiles } from "./source-files.ts";
import { codeOf, importsOf } from "./source-text.ts";

// A seed must mean the same run on every machine and under every version of Node. So nothing that a simulated run executes
// may ask for what differs between them. Generated stubs and packages are left to the runs of test/simulation/machines.test.ts.

const files = new Map(
  projectFiles((path) => path.endsWith(".ts") && !path.startsWith("src/gen/")).map(({ path, text }) => [path, text]),
);

/** Of Node's own modules, what a run may use. */
const portableModules = ["node:util"];

const unportable = new RegExp(
  [
    // ECMAScript leaves the last digits of these to the implementation; sqrt and the arithmetic operators are exact.
    "\\bMath\\s*\\.\\s*(?:a?(?:cos|sin|tan)h?|atan2|cbrt|exp|expm1|f16round|hypot|log|log10|log1p|log2|pow|sumPrecise)\\b",
    "\\bMath\\s*\\.\\s*random\\b",
    "\\bMath\\s*\\[",
    // Powers of two are exact, as long as the exponent is whole; both are written out, so that one sees that they are.
    "(?<!\\b2n? )\\*\\*|\\*\\*(?! -?\\d+n?\\b)",
    // Clocks, locales, time zones, collection of garbage, the process and its environment.
    "(?<![.\\w])(?:Date|Temporal|Intl|performance|crypto|globalThis|WeakRef|FinalizationRegistry)\\b",
    // A member's process is called so, too.
    "(?<![.\\w])process\\.(?:arch|argv|config|cpuUsage|cwd|env|exec\\w+|hrtime|memoryUsage|p?pid|platform|re\\w+Usage|uptime|versions?)\\b",
    "\\.(?:toLocale\\w+|localeCompare|normalize)\\b",
    "(?<![.\\w])(?:setTimeout|setInterval)\\b",
  ].join("|"),
  "g",
);

/** Defaults of options that the simulator gives. */
const exempt = ["src/storage/watermark-keeper.ts names setTimeout"];

/** SHA-256 is the same everywhere. */
const exemptImports = ["src/lib/row-hash.ts imports node:crypto"];

/** Every file of which a simulated run executes something, from the one that begins it. */
function executedFrom(path: string, found = new Set<string>()): Set<string> {
  const text = files.get(path);
  if (text === undefined || found.has(path)) return found;
  found.add(path);
  for (const { specifier, typeOnly } of importsOf(text)) {
    if (!typeOnly && specifier.startsWith(".")) executedFrom(normalize(join(path, "..", specifier)), found);
  }
  return found;
}

describe("what a simulated run executes", () => {
  const executed = [...executedFrom("test/raft/core-run.ts", executedFrom("test/simulation/run-seed.ts"))];

  test("is found by following imports", () => {
    expect(executed).toContain("test/simulation/dice.ts");
    expect(executed).toContain("test/lib/linearizability.ts");
    expect(executed).toContain("test/raft/core-network.ts");
    for (const room of ["raft", "kv", "replica", "storage", "transport"]) {
      expect(executed.filter((path) => path.startsWith(`src/${room}/`)).length).toBeGreaterThan(3);
    }
  });

  test("names nothing whose result depends on the machine or on the version of Node", () => {
    const named = executed.flatMap((path) =>
      [...codeOf(files.get(path) ?? "").matchAll(unportable)].map(([word]) => `${path} names ${word}`),
    );
    expect(named).toEqual(exempt);
  });

  test("imports no module that reaches out of the run", () => {
    const reaching = executed.flatMap((path) =>
      importsOf(files.get(path) ?? "")
        .filter(({ specifier }) => specifier.startsWith("node:") && !portableModules.includes(specifier))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(reaching).toEqual(exemptImports);
  });

  test.each([
    "-Math.log(share)",
    "Math.sin(x)",
    "Math['log'](x)",
    "Math.random()",
    "mean ** 0.5",
    "2 ** bits",
    "new Date(0)",
    "performance.now()",
    "a.localeCompare(b)",
    "n.toLocaleString()",
    "process.env.TZ",
    "new WeakRef(entry)",
  ])("could not have %j", (code) => {
    expect(codeOf(code)).toMatch(new RegExp(unportable.source));
  });

  test.each([
    "2 ** 32",
    "2n ** 63n",
    "share * 2 ** -32",
    "Math.sqrt(x)",
    "Math.floor(x)",
    "this.process.run()",
    "member.process",
  ])("may have %j", (code) => {
    expect(codeOf(code)).not.toMatch(new RegExp(unportable.source));
  });
});
