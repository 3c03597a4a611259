import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mutations } from "./catalogue.ts";
import { resultLines, verdict, withResults } from "./results-table.ts";
import { runMutations } from "./run-mutations.ts";
import { repositoryRoot } from "./workspace.ts";

const usage = `npm run mutations -- [options]

  --only 1,5        these mutations; all by default
  --jobs N          so many at once, each in a copy of its own; 1 by default
  --seeds N         simulated clusters tried on each; 150 by default
  --core-seeds N    random runs of the core tried on each; 250 by default
  --no-tests        do not ask the named test files: what do random runs notice by themselves?
  --minutes M       limit for one mutation; 5 by default
  --markdown        put the results into docs/testing.md
`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    jobs: { type: "string", default: "1" },
    seeds: { type: "string", default: "150" },
    "core-seeds": { type: "string", default: "250" },
    "no-tests": { type: "boolean", default: false },
    minutes: { type: "string", default: "5" },
    markdown: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function chosen() {
  const only = values.only?.split(",").map(Number);
  const unknown = only?.find((number) => !mutations.some((mutation) => mutation.number === number));
  if (unknown !== undefined) throw new RangeError(`there is no mutation ${unknown}`);
  const listed = mutations.filter(({ number }) => only === undefined || only.includes(number));
  return values["no-tests"] ? listed.map((mutation) => ({ ...mutation, tests: [] })) : listed;
}

async function main(): Promise<boolean> {
  const list = chosen();
  let done = 0;
  const results = await runMutations(list, {
    jobs: Number(values.jobs),
    seeds: Number(values.seeds),
    coreSeeds: Number(values["core-seeds"]),
    limitMs: Number(values.minutes) * 60_000,
    onResult: (result) => {
      done++;
      process.stderr.write(`${done}/${list.length}  ${result.mutation.number}: ${verdict(result)}\n`);
    },
  });
  for (const line of resultLines(results)) print(line);
  const problems = results.filter(({ problem }) => problem !== undefined).length;
  const caught = results.filter(({ caughtBy }) => caughtBy !== undefined).length;
  print(`${results.length} mutations: ${caught} noticed, ${results.length - caught} survived, ${problems} problems`);
  if (values.markdown) {
    const path = join(repositoryRoot, "docs/testing.md");
    await writeFile(path, withResults(await readFile(path, "utf8"), results));
  }
  return problems === 0;
}

if (values.help) process.stdout.write(usage);
else if (!(await main())) process.exitCode = 1;
