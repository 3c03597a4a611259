import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { rooms } from "../../scripts/rooms.ts";
import { projectFiles } from "../repository/source-files.ts";

const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../package.json"), "utf8")) as {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
};
const inProduction = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
const records = projectFiles((path) => /^docs\/adr\/\d{4}-[a-z0-9-]+\.md$/.test(path));
const [index] = projectFiles((path) => path === "docs/adr/README.md");

/** Packages that a record argues for. */
function packagesOf(text: string): string[] {
  const line = /^- \*\*Packages:\*\* (.+)$/m.exec(text)?.[1] ?? "";
  return [...line.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

describe("the decisions", () => {
  test("argue for each dependency once, and for nothing else", () => {
    const argued = records.flatMap(({ text }) => packagesOf(text));
    const names = [...inProduction, ...Object.keys(manifest.devDependencies)];
    expect(argued.toSorted()).toEqual(names.toSorted());
  });

  test("are numbered without a gap and listed", () => {
    expect(records.map(({ path }) => Number(path.slice(9, 13)))).toEqual(records.map((_, at) => at + 1));
    for (const { path } of records) expect(index?.text).toContain(`(${path.slice("docs/adr/".length)})`);
  });
});

describe("the packages that rooms may import", () => {
  test("are installed in production, and every one of those has a room", () => {
    const allowed = new Set(rooms.flatMap((room) => room.packages));
    expect([...allowed].toSorted()).toEqual(inProduction.toSorted());
  });
});
