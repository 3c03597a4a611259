import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runScenario } from "./scenario.ts";

const directory = join(import.meta.dirname, "scenarios");
const files = readdirSync(directory).filter((name) => name.endsWith(".txt"));

describe("a scenario goes as written:", () => {
  test.each(files)("%s", async (file) => {
    const path = join(directory, file);
    await expect(runScenario(readFileSync(path, "utf8"))).toMatchFileSnapshot(path);
  });
});

describe("a scenario that cannot run names its line:", () => {
  test.each([
    ["> campaign a", "line 1: > campaign a", "begins with a cluster"],
    ["# A story\n> cluster a b c\n> dance a", "line 3: > dance a", "no command dance"],
    ["> cluster a b c\n> campaign d", "line 2: > campaign d", "no member d"],
    ["> cluster a b c speed=9", "line 1: > cluster a b c speed=9", "no option speed"],
  ])("%j", (text, line, reason) => {
    expect(() => runScenario(text)).toThrow(
      expect.objectContaining({
        message: line,
        cause: expect.objectContaining({ message: expect.stringContaining(reason) }),
      }),
    );
  });
});
