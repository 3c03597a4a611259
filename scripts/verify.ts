// The read-only checks, one after the other; every one runs, whatever the others say.
// Usage: node scripts/verify.ts [--report FILE]   writes a JSON array of results as well
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

type Outcome = { readonly passed: boolean; readonly output: string } | { readonly skipped: string };

interface Check {
  readonly name: string;
  /** What makes it pass when it fails. */
  readonly remedy: string;
  readonly run: () => Outcome;
}

const root = resolve(import.meta.dirname, "..");

function run(command: string, args: readonly string[], options: { cwd?: string; input?: Buffer } = {}): Outcome {
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024, ...options });
  const output = `${result.stdout ?? ""}${result.stderr ?? ""}${result.error === undefined ? "" : result.error.message}`;
  return { passed: result.status === 0, output };
}

function git(...args: string[]): string | undefined {
  const result = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** Generates into a copy of the tree, so that whatever `npm run generate` writes is compared and nothing is changed. */
function generatedIsCurrent(): Outcome {
  const left = new Set(["node_modules", ".git", ".cache", "dist", "data", "coverage"]);
  const copy = mkdtempSync(join(tmpdir(), "raftkv-generate-"));
  try {
    cpSync(root, copy, {
      recursive: true,
      filter: (path) => dirname(path) !== root || !left.has(basename(path)),
    });
    rmSync(join(copy, "src/gen"), { recursive: true, force: true });
    mkdirSync(join(copy, "src/gen"));
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const generated = run("npm", ["run", "--silent", "generate"], { cwd: copy });
    if ("skipped" in generated || !generated.passed) return generated;
    return run("diff", ["-r", "-q", join(root, "src/gen"), join(copy, "src/gen")]);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/**
 * The commit that the schemas must stay compatible with: the last release; before the first one, what `main` had when
 * this work left it, or the commit before on `main` itself.
 */
function compatibilityBase(): string | undefined {
  const release = git("describe", "--tags", "--abbrev=0", "--match", "v*");
  if (release !== undefined) return release;
  const head = git("rev-parse", "--verify", "--quiet", "HEAD");
  for (const branch of ["origin/main", "main"]) {
    const fork = git("merge-base", "HEAD", branch);
    if (fork !== undefined && fork !== head) return fork;
  }
  return git("rev-parse", "--verify", "--quiet", "HEAD^");
}

function schemasAreCompatible(): Outcome {
  if (git("rev-parse", "--git-dir") === undefined) return { skipped: "this is not a git clone" };
  const base = compatibilityBase();
  if (base === undefined) return { skipped: "the history has no commit to compare with" };
  if (git("cat-file", "-e", `${base}:proto`) === undefined) return { skipped: `${base} has no schemas` };
  const excuse = git("log", `${base}..HEAD`, "--format=%(trailers:key=Schema-break,valueonly)")?.trim() ?? "";
  if (excuse !== "") return { skipped: `a commit breaks it on purpose: ${excuse}` };
  const archive = execFileSync("git", ["archive", base, "proto", "buf.yaml"], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  });
  return run("buf", ["breaking", "--against", "-#format=tar"], { input: archive });
}

const checks: readonly Check[] = [
  { name: "format", remedy: "make fix", run: () => run("biome", ["check", "--error-on-warnings"]) },
  { name: "lint", remedy: "make fix, then by hand", run: () => run("oxlint", ["--type-aware", "--deny-warnings"]) },
  { name: "types", remedy: "by hand", run: () => run("tsc", ["-p", "tsconfig.json"]) },
  { name: "schema lint", remedy: "by hand", run: () => run("buf", ["lint"]) },
  { name: "schema format", remedy: "make fix", run: () => run("buf", ["format", "--diff", "--exit-code"]) },
  { name: "schema compatibility", remedy: "keep numbers, names and types", run: schemasAreCompatible },
  { name: "generated code", remedy: "make generate", run: generatedIsCurrent },
];

const { values } = parseArgs({ options: { report: { type: "string" } } });
const results = checks.map(({ name, remedy, run: check }) => {
  const started = performance.now();
  const outcome = check();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if ("skipped" in outcome) {
    process.stdout.write(`skip  ${name}: ${outcome.skipped}\n`);
    return { name, status: "skipped", reason: outcome.skipped };
  }
  process.stdout.write(`${outcome.passed ? "ok  " : "FAIL"}  ${name} (${seconds} s)\n`);
  if (!outcome.passed) process.stdout.write(`${outcome.output}\nto mend ${name}: ${remedy}\n`);
  return { name, status: outcome.passed ? "passed" : "failed" };
});
if (values.report !== undefined) {
  mkdirSync(dirname(values.report), { recursive: true });
  writeFileSync(values.report, JSON.stringify(results));
}
process.exitCode = results.some((result) => result.status === "failed") ? 1 : 0;
