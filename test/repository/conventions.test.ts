import { basename } from "node:path/posix";
import { describe, expect, test } from "vitest";
import { type ProjectFile, projectFiles, sourceFiles } from "./source-files.ts";

const linesMax = 300;
const isWritten = (path: string) => !path.startsWith("src/gen/") && path !== "package-lock.json" && path !== "LICENSE";
const typeScript = projectFiles((path) => path.endsWith(".ts") && isWritten(path));
const texts = projectFiles((path) => isWritten(path) && !/\.(?:png|svg|binpb|protoset)$/.test(path));

/** `path:line: match` of every match of `pattern`, which has the flag g. */
function mentions(files: readonly ProjectFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((match) => `${path}:${text.slice(0, match.index).split("\n").length}: ${match[0]}`),
  );
}

// The words are put together here, so that this file does not find itself.
const word = (...parts: string[]) => parts.join("");

describe("every source file", () => {
  test(`has at most ${linesMax} lines`, () => {
    const long = sourceFiles.filter(({ text }) => text.split("\n").length - 1 > linesMax);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  test("is named in kebab case after what it holds", () => {
    const odd = typeScript.filter(
      ({ path }) => !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|config|d))?\.ts$/.test(basename(path)),
    );
    expect(odd.map(({ path }) => path)).toEqual([]);
    const vague = /^(?:utils?|helpers?|common|misc|shared)\.ts$/;
    expect(typeScript.filter(({ path }) => vague.test(basename(path))).map(({ path }) => path)).toEqual([]);
  });

  test("explains every name that it exports", () => {
    const undocumented = sourceFiles.flatMap(({ path, text }) =>
      undocumentedExports(text).map((name) => `${path}: ${name}`),
    );
    expect(undocumented).toEqual([]);
  });
});

/** Names that a text exports without a TSDoc comment right above them. Overloads need one on the first. */
function undocumentedExports(text: string): string[] {
  const declaration =
    /^export (?:default )?(?:declare )?(?:abstract )?(?:async )?(?:const enum|class|const|enum|function\*?|interface|let|type)\s+([A-Za-z_$][\w$]*)/;
  const lines = text.split("\n");
  const seen = new Set<string>();
  return lines.flatMap((line, at) => {
    const name = declaration.exec(line)?.[1];
    if (name === undefined || seen.has(name)) return [];
    seen.add(name);
    return lines[at - 1]?.trimEnd().endsWith("*/") === true ? [] : [name];
  });
}

test("an export without a comment is found", () => {
  expect(undocumentedExports("/** A. */\nexport const a = 1;\n\nexport async function b() {}\n")).toEqual(["b"]);
});

describe("the repository", () => {
  test("has no test that runs alone", () => {
    const tests = typeScript.filter(({ path }) => path.startsWith("test/"));
    expect(mentions(tests, /\b(?:test|it|describe|suite)(?:\.\w+)*\.only\b/g)).toEqual([]);
  });

  test("leaves nothing for later in its code", () => {
    expect(mentions(typeScript, new RegExp(`\\b(?:${word("TO", "DO")}|${word("FIX", "ME")})\\b`, "g"))).toEqual([]);
  });

  test("names no path of a machine and no package registry", () => {
    const machines = new RegExp(`(?<![\\w.$}/-])/(?:${["work", "home", "root", "Users"].join("|")})/[\\w.-]+`, "g");
    const temporary = new RegExp(`["'\`(\\s]/${word("t", "mp")}/[\\w.-]+`, "g");
    const registries = /\b(?:registry|proxy|pypi|repo|packages|artifactory|nexus)\.[a-z0-9-]+\.(?:org|com|io|dev)\b/g;
    for (const pattern of [machines, temporary, registries]) expect(mentions(texts, pattern)).toEqual([]);
  });
});
