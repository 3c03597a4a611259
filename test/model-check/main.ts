import { parseArgs } from "node:util";
import { checkScope, type Report } from "./check-scope.ts";
import type { SearchLimits } from "./explorer.ts";
import { coreFaults, findFaults } from "./faults.ts";
import type { Limits, Scope } from "./scope.ts";
import { type NamedScope, scopes } from "./scopes.ts";
import { expenses } from "./world.ts";

const usage = `npm run model-check -- [options]

  --list              the scopes, with their limits
  --scope NAME,…      these scopes; by default all small ones
  --large             by default all of them
  --states N          gives a scope up after so many states
  --minutes M         gives a scope up after so many minutes
  --progress          a line for each depth
  --faults            breaks the core in every way of test/mutations, one after the other, and tells which scope shows it
  --only 1,5          with --faults: these

and, to make a scope larger or smaller than it is:

  --terms N           highest term
  --campaigns N --proposals N --crashes N --duplicates N|any --beats N --reads N --transfers N --changes N --compactions N
  --writes slow|fast  whether writes take their time; crashes come before and after them in any case
  --heartbeats        none are lost
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    scope: { type: "string" },
    large: { type: "boolean", default: false },
    states: { type: "string" },
    minutes: { type: "string" },
    progress: { type: "boolean", default: false },
    faults: { type: "boolean", default: false },
    only: { type: "string" },
    terms: { type: "string" },
    campaigns: { type: "string" },
    proposals: { type: "string" },
    crashes: { type: "string" },
    duplicates: { type: "string" },
    beats: { type: "string" },
    reads: { type: "string" },
    transfers: { type: "string" },
    changes: { type: "string" },
    compactions: { type: "string" },
    writes: { type: "string" },
    heartbeats: { type: "boolean", default: false },
  },
});

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function chosenScopes(): NamedScope[] {
  const all = scopes.filter(({ isLarge }) => !isLarge || values.large);
  const names = values.scope?.split(",") ?? all.map(({ name }) => name);
  return names.map((name) => {
    const found = scopes.find((each) => each.name === name);
    if (found === undefined) throw new Error(`there is no scope ${name}; --list tells which there are`);
    return { ...found, scope: withOptions(found.scope) };
  });
}

function withOptions(scope: Scope): Scope {
  const limits: Record<keyof Limits, number> = { ...scope.limits };
  const keepsMessages = values.duplicates === undefined ? scope.keepsMessages : values.duplicates === "any";
  for (const expense of expenses) {
    const given = values[expense];
    if (given !== undefined && given !== "any") limits[expense] = wholeNumber(expense, given);
  }
  return {
    ...scope,
    limits,
    keepsMessages,
    ...(values.terms !== undefined && { terms: wholeNumber("terms", values.terms) }),
    ...(values.writes !== undefined && { slowWrites: values.writes === "slow" }),
    ...(values.heartbeats && { lost: [] }),
  };
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} is a whole number, not ${text}`);
  return number;
}

function searchLimits(): SearchLimits {
  return {
    ...(values.states !== undefined && { statesMax: wholeNumber("states", values.states) }),
    ...(values.minutes !== undefined && { secondsMax: 60 * Number(values.minutes) }),
    ...(values.progress && {
      progress: (depth, states, frontier) => print(`  depth ${depth}: ${states} states, ${frontier} of them new`),
    }),
  };
}

function describeScope({ name, about, scope, isLarge }: NamedScope): string {
  const { voters, newcomers, terms, limits } = scope;
  const spent = expenses.filter((expense) => limits[expense] > 0).map((expense) => `${limits[expense]} ${expense}`);
  const joining = newcomers === "" ? "" : ` and ${newcomers}`;
  return `${name}${isLarge ? " (large)" : ""}: ${about}\n  ${voters}${joining}, terms to ${terms}, ${spent.join(", ")}`;
}

function summary({ name }: NamedScope, report: Report): string {
  const { states, transitions, depth, memberStates, coreSteps, isExhausted, seconds, violation } = report;
  const end = violation !== null ? "a rule is broken" : isExhausted ? "all of it" : "NOT all of it: stopped by a limit";
  return (
    `${name}: ${states} states, ${transitions} transitions, depth ${depth}, ${end}; ` +
    `${memberStates} states of members, ${coreSteps} steps of the core; ${seconds.toFixed(1)} s`
  );
}

/** Whether every scope was searched to its end and no rule broken. */
function checkAll(): boolean {
  const reports = chosenScopes().map((each) => {
    const report = checkScope(each.scope, searchLimits());
    print(summary(each, report));
    if (report.violation !== null) {
      print(`  ${report.violation.reason}`);
      for (const line of report.violation.trace) print(`  ${line}`);
    }
    return report;
  });
  const [states, transitions] = [reports.map((each) => each.states), reports.map((each) => each.transitions)];
  print(`${reports.length} scopes, ${sum(states)} states, ${sum(transitions)} transitions`);
  return reports.every(({ violation, isExhausted }) => violation === null && isExhausted);
}

async function tellFaults(): Promise<boolean> {
  const numbers = values.only?.split(",").map(Number);
  const faults = coreFaults.filter(({ number }) => numbers === undefined || numbers.includes(number));
  let shown = 0;
  for await (const { fault, scope, report } of findFaults(faults, chosenScopes(), searchLimits())) {
    if (scope !== null) shown++;
    const { violation, states } = report;
    const end =
      scope === null
        ? "in no scope"
        : `${scope.name}, ${violation?.moves} moves, ${states} states: ${violation?.reason}`;
    print(`${String(fault.number).padStart(3)}  ${fault.fault}: ${end}`);
    if (numbers !== undefined) for (const line of violation?.trace ?? []) print(`     ${line}`);
  }
  print(`${shown} of ${faults.length} faults are shown`);
  return true;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function main(): Promise<boolean> {
  if (values.help) {
    print(usage);
    return true;
  }
  if (values.list) {
    for (const each of scopes) print(describeScope(each));
    return true;
  }
  return values.faults ? tellFaults() : checkAll();
}

if (!(await main())) process.exitCode = 1;
