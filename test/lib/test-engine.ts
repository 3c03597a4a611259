import { type EngineName, engineNames } from "../../src/storage/engine-directory.ts";

/**
 * The engine that RAFTKV_STORAGE_ENGINE of the environment asks for, as it asks every member that a test starts; the product's
 * own default when it asks for none. Throws when there is no engine of that name.
 */
export function engineUnderTest(): EngineName {
  const given = process.env["RAFTKV_STORAGE_ENGINE"] ?? "classic-level";
  const found = engineNames.find((name) => name === given);
  if (found === undefined) throw new Error(`RAFTKV_STORAGE_ENGINE is ${given}; there are ${engineNames.join(", ")}`);
  return found;
}
