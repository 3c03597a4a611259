import { type ParseArgsConfig, parseArgs } from "node:util";
import type { Overrides } from "./plan.ts";
import { type Profile, profiles } from "./strike.ts";

/** How the simulator is called; what it prints when it is called otherwise. */
export const usage = `npm run sim -- --seeds N [--start S] [--minutes M] [--jobs N] [--profile NAME] [--keep-going] [--no-shrink]
                        [--coverage]
npm run sim -- --seed S [--trace] [--profile NAME] [--strikes 1,2|none] [--members N] [--clients N] [--operations N]
                        [--until MS] [--calm-network] [--calm-disk] [--calm-clocks] [--long-logs]
npm run sim -- --regressions [--jobs N]
`;

const options = {
  seeds: { type: "string" },
  start: { type: "string", default: "1" },
  minutes: { type: "string" },
  jobs: { type: "string", default: "1" },
  regressions: { type: "boolean", default: false },
  "keep-going": { type: "boolean", default: false },
  coverage: { type: "boolean", default: false },
  "no-shrink": { type: "boolean", default: false },
  seed: { type: "string" },
  trace: { type: "boolean", default: false },
  profile: { type: "string" },
  strikes: { type: "string" },
  members: { type: "string" },
  clients: { type: "string" },
  operations: { type: "string" },
  until: { type: "string" },
  "calm-network": { type: "boolean", default: false },
  "calm-disk": { type: "boolean", default: false },
  "calm-clocks": { type: "boolean", default: false },
  "long-logs": { type: "boolean", default: false },
  "settle-always": { type: "boolean", default: false },
} as const satisfies ParseArgsConfig["options"];

/** Worker processes at most. */
const jobsMax = 64;

/** What is to be run. */
export interface CommandLine {
  /** One seed, to be repeated. */
  readonly seed: number | undefined;
  /** So many seeds; infinite when only time limits them, `undefined` when neither is given. */
  readonly seeds: number | undefined;
  readonly start: number;
  readonly minutes: number;
  readonly jobs: number;
  readonly regressions: boolean;
  readonly keepGoing: boolean;
  readonly coverage: boolean;
  readonly shrinks: boolean;
  readonly trace: boolean;
  readonly settleAlways: boolean;
  readonly overrides: Overrides;
}

/** Reads arguments. Throws an error that says what is wrong with them. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values } = parseArgs({ args: [...args], options });
  const number = (name: keyof typeof values, max = Number.MAX_SAFE_INTEGER): number | undefined => {
    const text = values[name];
    if (typeof text !== "string") return undefined;
    const value = Number(text);
    if (text === "" || !(value >= 0 && value <= max)) throw new Error(`--${name} is ${text}, no number up to ${max}`);
    return value;
  };
  const minutes = number("minutes") ?? Number.POSITIVE_INFINITY;
  const endless = minutes < Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : undefined;
  return {
    seed: number("seed"),
    seeds: number("seeds") ?? endless,
    start: number("start") ?? 1,
    minutes,
    jobs: Math.max(1, number("jobs", jobsMax) ?? 1),
    regressions: values.regressions,
    keepGoing: values["keep-going"],
    coverage: values.coverage,
    shrinks: !values["no-shrink"],
    trace: values.trace,
    settleAlways: values["settle-always"],
    overrides: defined({
      profile: values.profile === undefined ? undefined : profileNamed(values.profile),
      strikes: values.strikes === undefined ? undefined : strikesOf(values.strikes),
      size: number("members"),
      clients: number("clients"),
      operations: number("operations"),
      untilMs: number("until"),
      calmNetwork: values["calm-network"] || undefined,
      calmDisk: values["calm-disk"] || undefined,
      calmClocks: values["calm-clocks"] || undefined,
      longLogs: values["long-logs"] || undefined,
    }),
  };
}

/** The command that repeats a run. */
export function commandOf(seed: number, overrides: Overrides): string {
  const { profile, strikes, size, clients, operations, untilMs } = overrides;
  const { calmNetwork, calmDisk, calmClocks, longLogs } = overrides;
  const flags = [
    profile === undefined ? "" : `--profile ${profile}`,
    strikes === undefined ? "" : `--strikes ${strikes.length === 0 ? "none" : strikes.join(",")}`,
    size === undefined ? "" : `--members ${size}`,
    clients === undefined ? "" : `--clients ${clients}`,
    operations === undefined ? "" : `--operations ${operations}`,
    untilMs === undefined ? "" : `--until ${untilMs}`,
    calmNetwork === true ? "--calm-network" : "",
    calmDisk === true ? "--calm-disk" : "",
    calmClocks === true ? "--calm-clocks" : "",
    longLogs === true ? "--long-logs" : "",
  ];
  return ["npm run sim --", `--seed ${seed}`, ...flags.filter((flag) => flag !== ""), "--trace"].join(" ");
}

function profileNamed(name: string): Profile {
  const profile = profiles.find((each) => each === name);
  if (profile === undefined) throw new Error(`--profile is ${name}; there are ${profiles.join(", ")}`);
  return profile;
}

function strikesOf(text: string): number[] {
  return text === "none" ? [] : text.split(",").map(Number);
}

type Given<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

/** The fields that have a value. */
function defined<Fields extends object>(fields: Fields): Given<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<Fields>;
}
