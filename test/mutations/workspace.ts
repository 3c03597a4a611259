import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { applyEdit, type Edit } from "./mutation.ts";

/** Top of the repository. */
export const repositoryRoot = resolve(import.meta.dirname, "../..");

const leftOut = new Set([".git", ".cache", "dist", "data", "coverage", "node_modules"]);

/** A private copy of the repository, in which faults are made: the working tree is never touched. */
export class Workspace {
  readonly directory: string;
  readonly #changed = new Map<string, string>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Copies the repository as it is, with what is not committed; the packages are shared. */
  static async create(): Promise<Workspace> {
    const directory = await mkdtemp(join(tmpdir(), "raftkv-mutations-"));
    await cp(repositoryRoot, directory, {
      recursive: true,
      filter: (path) => dirname(path) !== repositoryRoot || !leftOut.has(basename(path)),
    });
    await symlink(join(repositoryRoot, "node_modules"), join(directory, "node_modules"));
    return new Workspace(directory);
  }

  /** Makes the edits of one fault. */
  async apply(edits: readonly Edit[]): Promise<void> {
    for (const edit of edits) {
      const path = join(this.directory, edit.file);
      const text = await readFile(path, "utf8");
      if (!this.#changed.has(path)) this.#changed.set(path, text);
      await writeFile(path, applyEdit(text, edit));
    }
  }

  /** Takes every edit back. */
  async restore(): Promise<void> {
    for (const [path, text] of this.#changed) await writeFile(path, text);
    this.#changed.clear();
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
