import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFiles } from "../repository/source-files.ts";

const root = resolve(import.meta.dirname, "../..");
const documents = projectFiles((path) => path.endsWith(".md"));

const withoutCode = (text: string) => text.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, "");

/** Anchors of the headings, as GitHub and GitLab make them. */
function anchorsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#+ +(.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-"),
  );
}

/** Why a link of the document at `path` leads nowhere; `undefined` when it leads somewhere or out of the project. */
function brokenLink(path: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [file = "", anchor] = link.split("#", 2);
  const target = file === "" ? path : join(dirname(path), file);
  if (!existsSync(join(root, target))) return `${path}: ${link} is not there`;
  const document = documents.find((each) => each.path === target);
  if (anchor === undefined || document === undefined) return undefined;
  return anchorsOf(document.text).includes(anchor) ? undefined : `${path}: ${target} has no heading #${anchor}`;
}

describe("links between documents", () => {
  test("lead somewhere", () => {
    const broken = documents.flatMap(({ path, text }) =>
      [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => brokenLink(path, link)),
    );
    expect(broken.filter((each) => each !== undefined)).toEqual([]);
  });

  test("that lead nowhere are found", () => {
    expect(brokenLink("docs/kubernetes.md", "nowhere.md")).toBe("docs/kubernetes.md: nowhere.md is not there");
    expect(brokenLink("CONTRIBUTING.md", "#no-such-part")).toContain("no heading #no-such-part");
    expect(brokenLink("CONTRIBUTING.md", "#style-in-short")).toBeUndefined();
  });
});
