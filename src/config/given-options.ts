import { nearestName } from "./nearest-name.ts";
import { kebabName, type OptionKey, optionKeys, variableName } from "./option-table.ts";

/** An option as someone wrote it, and where. */
export interface GivenOption {
  readonly text: string;
  /** Such as `--name`, `RAFTKV_NAME` or `name in raftkv.yaml`. */
  readonly source: string;
}

/** Options by key; absent ones were not given. */
export type GivenOptions = Partial<Record<OptionKey, GivenOption>>;

/** Options of one source, and what is wrong with it. */
export interface GatheredOptions {
  readonly given: GivenOptions;
  readonly problems: readonly string[];
}

/** Variables that raftkv reads elsewhere: the file's path, and the client commands' defaults. */
const otherVariables = ["RAFTKV_CONFIG", "RAFTKV_ENDPOINTS", "RAFTKV_TIMEOUT"];

/** Takes options from the flags, keyed as the table is; the flags' parser has already refused unknown ones. */
export function optionsFromFlags(flags: Readonly<Partial<Record<OptionKey, string>>>): GatheredOptions {
  const given: GivenOptions = {};
  for (const key of optionKeys) {
    const text = flags[key];
    if (text !== undefined) given[key] = { text, source: `--${kebabName(key)}` };
  }
  return { given, problems: [] };
}

/** Takes options from `RAFTKV_*` variables; other such variables are problems, save those that Kubernetes makes. */
export function optionsFromEnvironment(env: Readonly<Record<string, string | undefined>>): GatheredOptions {
  const keys = new Map(optionKeys.map((key) => [variableName(key), key]));
  const given: GivenOptions = {};
  const problems: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("RAFTKV_") || text === undefined) continue;
    const key = keys.get(name);
    if (key !== undefined) given[key] = { text, source: name };
    else if (!otherVariables.includes(name) && !isServiceLink(name, text)) {
      problems.push(`unknown variable ${name}${suggestion(name, [...keys.keys(), ...otherVariables])}`);
    }
  }
  return { given, problems };
}

/** Takes options from a file's keys, already text; `file` is its path, for messages. */
export function optionsFromFile(entries: Readonly<Record<string, string>>, file: string): GatheredOptions {
  const keys = new Map(optionKeys.map((key) => [kebabName(key), key]));
  const given: GivenOptions = {};
  const problems: string[] = [];
  for (const [name, text] of Object.entries(entries)) {
    const key = keys.get(name);
    if (key !== undefined) given[key] = { text, source: `${name} in ${file}` };
    else problems.push(`unknown key ${name} in ${file}${suggestion(name, [...keys.keys()])}`);
  }
  return { given, problems };
}

function suggestion(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? "" : `; did you mean ${nearest}?`;
}

/**
 * Whether Kubernetes put the variable into the pod for a Service whose name begins with "raftkv", as it does unless
 * `enableServiceLinks` is false: RAFTKV_SERVICE_HOST, RAFTKV_PORT=tcp://…, RAFTKV_PORT_7001_TCP_ADDR and the like.
 */
function isServiceLink(name: string, text: string): boolean {
  return (
    /_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(text))
  );
}
