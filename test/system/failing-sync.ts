import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const source = join(import.meta.dirname, "failing-sync.c");

/** Faults of the disks of members, each a data directory, that begin and end on command (failing-sync.c). */
export interface SyncFaults {
  /** What runs a member under this control when its command follows. */
  runner(directory: string): readonly string[];
  /** From now on every sync below a directory fails with EIO, or does not return. */
  begin(kind: "fail" | "block", directory: string): void;
  /** Syncs work again; those that did not return do. */
  end(directory: string): void;
  /** Files below a directory whose sync was made to fail, in order; one that was tried twice is there twice. */
  failed(directory: string): readonly string[];
}

/** Why there are no such faults here; `undefined` when there are. */
export function whyNoSyncFaults(): string | undefined {
  if (process.platform !== "linux") return "failing syncs are made for Linux alone";
  try {
    execFileSync("cc", ["--version"], { stdio: "pipe" });
    return undefined;
  } catch {
    return "failing syncs need a C compiler called cc";
  }
}

/** Compiles the library for the running test. Control files stand beside the data directories. */
export function makeSyncFaults(): SyncFaults {
  const made = mkdtempSync(join(tmpdir(), "raftkv-sync-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  const library = join(made, "failing-sync.so");
  execFileSync("cc", ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"]);
  const control = (directory: string, suffix: string): string => `${directory}.sync.${suffix}`;
  return {
    runner: (directory) => [
      "env",
      `LD_PRELOAD=${library}`,
      `FAILING_SYNC_DIRECTORY=${directory}/`,
      `FAILING_SYNC_CONTROL=${directory}.sync`,
    ],
    begin: (kind, directory) => writeFileSync(control(directory, kind), ""),
    end: (directory) => {
      for (const kind of ["fail", "block"]) rmSync(control(directory, kind), { force: true });
    },
    failed: (directory) => {
      const file = control(directory, "failed");
      return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
    },
  };
}
