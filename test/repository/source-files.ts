import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

/** A file of the project: tracked, or new and not ignored. */
export interface ProjectFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Every file of the project that `admit` takes. */
export function projectFiles(admit: (path: string) => boolean): ProjectFile[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
  });
  return listed
    .split("\0")
    .filter((path) => path !== "" && admit(path) && existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/** Sources that people write: `src` without the generated stubs. */
export const sourceFiles: readonly ProjectFile[] = projectFiles(
  (path) => path.startsWith("src/") && path.endsWith(".ts") && !path.startsWith("src/gen/"),
);
