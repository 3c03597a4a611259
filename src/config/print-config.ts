import { stringify } from "yaml";
import { kebabName } from "./option-table.ts";
import type { EffectiveOption } from "./resolve-options.ts";

/**
 * Writes options as a configuration file that gives the same configuration again, each with where it came from; an option
 * without a value is left out.
 */
export function printConfig(effective: readonly EffectiveOption[]): string {
  return effective
    .filter(({ text }) => text !== "")
    .map(({ key, text, source }) => `${kebabName(key)}: ${stringify(text, { lineWidth: 0 }).trimEnd()} # ${source}\n`)
    .join("");
}
