import type * as FileSystem from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { newDirectory, openIn } from "./store-fixture.ts";

/** What was done to names, and which files and directories were synced, in order. */
const done = vi.hoisted(() => [] as string[]);

vi.mock("node:fs/promises", async (importOriginal) => {
  const original = await importOriginal<typeof FileSystem>();
  const open: typeof original.open = async (path, ...rest) => {
    const handle = await original.open(path, ...rest);
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      await sync();
      done.push(`sync ${String(path)}`);
    };
    return handle;
  };
  const mkdir = async (path: string, options: { mode: number }) => {
    await original.mkdir(path, options);
    done.push(`make ${path}`);
  };
  const rename = async (from: string, to: string) => {
    await original.rename(from, to);
    done.push(`rename ${from} ${to}`);
  };
  return { ...original, open, mkdir, rename };
});

test("trap 63: a new directory or file is there after a power cut: its name is synced as well as itself", async () => {
  const parent = await newDirectory();
  const directory = join(parent, "missing", "data");
  await (await openIn(directory)).close();
  for (const made of [join(parent, "missing"), directory]) {
    const after = done.slice(done.indexOf(`make ${made}`) + 1);
    expect(after[0]).toBe(`sync ${dirname(made)}`);
  }
  const renamed = done.flatMap((each, at) => (each.startsWith("rename ") ? [at] : []));
  expect(renamed.length).toBeGreaterThan(0);
  for (const at of renamed) {
    const [, from = "", to = ""] = (done[at] ?? "").split(" ");
    expect([done[at - 1], done[at + 1]]).toEqual([`sync ${from}`, `sync ${dirname(to)}`]);
  }
  // LevelDB's own first files were made before anything relies on them.
  expect(done.filter((each) => each === `sync ${directory}`).length).toBeGreaterThan(1);
});
