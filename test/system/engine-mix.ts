import { type EngineName, engineNames } from "../../src/storage/engine-directory.ts";

/** Which engines the members of a cluster have: all the same one, or both side by side. */
export type EngineMix = EngineName | "mixed";

/** The engine of the member called `name`: in a mixed cluster the first has one, all others the other. */
export function engineInMix(mix: EngineMix, name: string): EngineName {
  if (mix !== "mixed") return mix;
  return name === "n1" ? "classic-level" : "rocksdb";
}

/** Reads what a command line gives. Throws when it is none. */
export function engineMixNamed(given: string): EngineMix {
  const mixes = [...engineNames, "mixed"] as const;
  const found = mixes.find((mix) => mix === given);
  if (found === undefined) throw new Error(`--engine is ${given}; there are ${mixes.join(", ")}`);
  return found;
}
