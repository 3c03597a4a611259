import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

interface LockedPackage {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const path = resolve(import.meta.dirname, "../../package-lock.json");
const { packages } = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, LockedPackage> };
const entries = Object.entries(packages);

test("the lock has every optional package, so that npm ci takes it on every platform", () => {
  const missing = entries.flatMap(([location, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined && packages[`${location}/node_modules/${name}`] === undefined,
    ),
  );
  expect(missing, "npm run lock:complete adds them").toEqual([]);
});

test("the lock names no registry", () => {
  expect(entries.filter(([, { resolved }]) => resolved !== undefined).map(([location]) => location)).toEqual([]);
});

test("every package that is not for one platform only is locked by its content", () => {
  const open = entries.filter(([location, each]) => location !== "" && each.optional !== true && !each.integrity);
  expect(open.map(([location]) => location)).toEqual([]);
});
