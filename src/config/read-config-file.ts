import { readFileSync, statSync } from "node:fs";
import { isMap, isScalar, type Pair, parseDocument } from "yaml";
import { RaftKvError } from "../lib/errors.ts";

/** Longest file accepted, bytes; a real one has some hundreds. */
const fileBytesMax = 1024 * 1024;

/** Keys of a configuration file with their values as text, and what is wrong with the file. */
export interface ConfigFile {
  readonly entries: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
}

/** Reads a YAML file of options. Throws `CONFIG_INVALID`, naming the file, when it cannot be read at all. */
export function readConfigFile(file: string): ConfigFile {
  return parseConfigFile(readText(file), file);
}

/** Reads YAML text; every value is taken as written (no numbers, no booleans), so that it means what the flag means. */
function parseConfigFile(text: string, file: string): ConfigFile {
  const document = parseDocument(text, { schema: "failsafe", prettyErrors: true });
  if (document.errors.length > 0) {
    return { entries: {}, problems: document.errors.map((error) => `${file}: ${error.message.split("\n")[0]}`) };
  }
  if (document.contents === null) return { entries: {}, problems: [] };
  if (!isMap(document.contents)) {
    return { entries: {}, problems: [`${file} must hold keys and values, such as "name: n1"`] };
  }
  const entries: Record<string, string> = {};
  const problems: string[] = [];
  for (const pair of document.contents.items) {
    const key = scalarText(pair.key);
    const value = valueText(pair);
    if (key === undefined || value === undefined) {
      problems.push(`${key ?? "a key"} in ${file} must have one value${key === "initial-cluster" ? " or a map" : ""}`);
    } else entries[key] = value;
  }
  return { entries, problems };
}

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size <= fileBytesMax) return readFileSync(file, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RaftKvError("CONFIG_INVALID", `cannot read the configuration file ${file}: ${reason}`, { cause });
  }
  throw new RaftKvError("CONFIG_INVALID", `the configuration file ${file} is larger than ${fileBytesMax} bytes`);
}

/** Text of a scalar; of the initial cluster's map, its flag form; `undefined` of anything else. */
function valueText(pair: Pair): string | undefined {
  if (!isMap(pair.value) || scalarText(pair.key) !== "initial-cluster") return scalarText(pair.value);
  const members: string[] = [];
  for (const member of pair.value.items) {
    const [name, address] = [scalarText(member.key), scalarText(member.value)];
    if (name === undefined || address === undefined) return undefined;
    members.push(`${name}=${address}`);
  }
  return members.join(",");
}

function scalarText(node: unknown): string | undefined {
  return isScalar(node) && typeof node.value === "string" ? node.value : undefined;
}
