import { RaftKvError } from "../lib/errors.ts";
import { deriveDefaults } from "./derive-defaults.ts";
import {
  type GatheredOptions,
  type GivenOptions,
  optionsFromEnvironment,
  optionsFromFile,
  optionsFromFlags,
} from "./given-options.ts";
import { type MemberConfig, toMemberConfig } from "./member-config.ts";
import {
  type GivenValues,
  kebabName,
  type OptionKey,
  type OptionValues,
  optionKeys,
  optionTable,
} from "./option-table.ts";
import type { Parsed } from "./parsed.ts";
import { readConfigFile } from "./read-config-file.ts";
import { formatOption, validateOptions } from "./validate-options.ts";

// given (flags > variables > file > defaults)  ->  parsed, derived, validated  ->  frozen MemberConfig

/** Environment variables; only names that begin with RAFTKV_ matter. */
export interface Environment {
  readonly [name: string]: string | undefined;
  /** Path of the configuration file. */
  readonly RAFTKV_CONFIG?: string | undefined;
}

/** Where options come from. */
export interface OptionSources {
  /** Flags by key; a flag wins over a variable, a variable over the file. */
  readonly flags: Readonly<Partial<Record<OptionKey, string>>>;
  readonly env: Environment;
  /** Path of a YAML file. Default: RAFTKV_CONFIG of `env`, else none. */
  readonly configFile?: string | undefined;
}

/** An option as it is in force. */
export interface EffectiveOption {
  readonly key: OptionKey;
  /** As one would give it. */
  readonly text: string;
  /** Such as `--name`, `RAFTKV_NAME`, `name in raftkv.yaml` or `default`. */
  readonly source: string;
}

/** The outcome of {@link resolveOptions}. */
export interface ResolvedOptions {
  readonly config: MemberConfig;
  /** Every option, in the table's order. */
  readonly effective: readonly EffectiveOption[];
}

/** Resolves every option. Throws `CONFIG_INVALID` with one line for each problem, all at once. */
export function resolveOptions(sources: OptionSources): ResolvedOptions {
  const gathered = gather(sources);
  const given: GivenOptions = Object.assign({}, ...gathered.map((source) => source.given).reverse());
  const { values, problems } = parseOptions(given);
  const complete = deriveDefaults(values);
  const sourceOf = (key: OptionKey) => given[key]?.source ?? "default";
  const describe = (key: OptionKey) => describeOption(key, formatOption(key, complete), sourceOf(key));
  const conflicts = validateOptions(complete, describe)
    // What stands in for an option that could not be parsed must not be blamed for anything.
    .filter(({ between }) => !between.some((key) => problems.has(key)))
    .map(({ problem }) => problem);
  const all = [...gathered.flatMap((source) => source.problems), ...problems.values(), ...conflicts];
  if (all.length > 0) throw invalid(all);
  return {
    config: toMemberConfig(complete),
    effective: optionKeys.map((key) => ({ key, text: formatOption(key, complete), source: sourceOf(key) })),
  };
}

/** Options of every source, the strongest first. */
function gather(sources: OptionSources): GatheredOptions[] {
  const gathered = [optionsFromFlags(sources.flags), optionsFromEnvironment(sources.env)];
  const file = sources.configFile ?? sources.env.RAFTKV_CONFIG;
  if (file === undefined) return gathered;
  const { entries, problems } = readConfigFile(file);
  const fromFile = optionsFromFile(entries, file);
  return [...gathered, { given: fromFile.given, problems: [...problems, ...fromFile.problems] }];
}

/** Parses what was given and the plain defaults; an option that cannot be parsed has its default, and a problem. */
function parseOptions(given: GivenOptions): { values: GivenValues; problems: Map<OptionKey, string> } {
  const values: Partial<Record<OptionKey, unknown>> = {};
  const problems = new Map<OptionKey, string>();
  for (const key of optionKeys) {
    const { defaultText } = optionTable[key];
    const givenText = given[key]?.text;
    const result = parseText(key, givenText ?? defaultText);
    if (result?.ok === false) {
      problems.set(key, `${describeOption(key, givenText ?? "", given[key]?.source ?? "default")}: ${result.problem}`);
    }
    const usable = result?.ok === false ? parseText(key, defaultText) : result;
    if (usable?.ok === true) values[key] = usable.value;
  }
  // Every key with a plain default has been assigned a value that its own type parsed; a test holds the defaults to that.
  return { values: values as GivenValues, problems };
}

function parseText(key: OptionKey, text: string | undefined): Parsed<OptionValues[OptionKey]> | undefined {
  return text === undefined ? undefined : optionTable[key].type.parse(text);
}

function describeOption(key: OptionKey, text: string, source: string): string {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return `${kebabName(key)} is ${JSON.stringify(shown)} (${source})`;
}

function invalid(problems: readonly string[]): RaftKvError {
  const count = problems.length === 1 ? "a setting is wrong" : `${problems.length} settings are wrong`;
  return new RaftKvError("CONFIG_INVALID", [count, ...problems.map((problem) => `  ${problem}`)].join("\n"));
}
