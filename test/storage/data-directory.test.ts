import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, onTestFinished, test } from "vitest";
import { DirectoryIdentitySchema } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { unwrapRow, wrapRow } from "../../src/storage/checksummed-row.ts";
import { lockDirectory } from "../../src/storage/directory-lock.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";
import { batch, bootstrapConfiguration, commands, newDirectory, openIn, openOver, term } from "./store-fixture.ts";

describe("data directory", () => {
  test("makes the directory and its parents, for the owner only", async () => {
    const directory = join(await newDirectory(), "a", "b");
    await openIn(directory);
    expect((await readdir(directory)).sort()).toEqual(["durable-watermark", "engine-classic-level"]);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  test("a path that is no directory is refused, naming it", async () => {
    const path = join(await newDirectory(), "file");
    await writeFile(path, "");
    await expect(openIn(path)).rejects.toMatchObject({
      code: "DIRECTORY_UNUSABLE",
      message: expect.stringContaining(path),
    });
    await expect(openIn(join(path, "below"))).rejects.toMatchObject({ code: "DIRECTORY_UNUSABLE" });
    await expect(openIn("/proc/raftkv/data")).rejects.toMatchObject({ code: "DIRECTORY_UNUSABLE" });
  });

  test("a second store of the same directory is refused, under any name, and does not loosen the first", async () => {
    const parent = await newDirectory();
    const directory = join(parent, "data");
    const store = await openIn(directory);
    await symlink(directory, join(parent, "alias"));
    for (const path of [directory, join(parent, "alias"), join(directory, ".")]) {
      await expect(openIn(path)).rejects.toMatchObject({
        code: "DIRECTORY_LOCKED",
        message: expect.stringContaining(path),
      });
    }
    await store.write(batch({ hardState: term(1), entries: commands(1, 1, 1) }));
    await store.close();
    expect((await openIn(directory)).recovered.lastIndex).toBe(1);
  });

  test("a directory held by another process is refused until that process is killed", async () => {
    const directory = await newDirectory();
    const { dev, ino } = await stat(directory, { bigint: true });
    const name = `raftkv-directory-${dev}-${ino}-`.padEnd(107, ".");
    const hold = `require("node:net").createServer().listen("\\0${name}", () => console.log("held"))`;
    const holder = spawn(process.execPath, ["-e", hold], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void holder.kill("SIGKILL"));
    await once(holder.stdout, "data");
    await expect(openIn(directory)).rejects.toMatchObject({ code: "DIRECTORY_LOCKED" });
    holder.kill("SIGKILL");
    await once(holder, "exit");
    await (await openIn(directory)).close();
  });

  test("the name of a lock has no room left that a version of Node could fill up", async () => {
    const directory = await newDirectory();
    const { dev, ino } = await stat(directory, { bigint: true });
    const unlock = await lockDirectory(directory);
    const sockets = await readFile("/proc/net/unix", "utf8");
    const name = sockets.split(/\s+/).find((word) => word.startsWith(`@raftkv-directory-${dev}-${ino}-`));
    await unlock();
    // The @ stands for the zero byte that makes it abstract; the kernel takes 108 bytes with it.
    expect(name).toHaveLength(108);
  });

  test("a refused open lets go of the directory", async () => {
    const directory = await newDirectory();
    await (await openIn(directory)).close();
    await expect(openIn(directory, { memberId: "00000000000000a2" })).rejects.toMatchObject({
      code: "DIRECTORY_MISMATCH",
    });
    await (await openIn(directory)).close();
    const unlock = await lockDirectory(directory);
    await unlock();
  });

  test.each([
    ["cluster", { clusterId: "00000000000000c2" }, /cluster id 00000000000000c1; it was opened with 00000000000000c2/],
    ["member", { memberId: "00000000000000a2" }, /member id 00000000000000a1; it was opened with 00000000000000a2/],
    [
      "initial cluster",
      { bootstrapConfiguration: { ...bootstrapConfiguration, members: [], voters: [] } },
      /initial cluster n1=n1.example:7001,n2=n2.example:7001; it was opened with $/,
    ],
  ])("a directory of another %s is refused, naming it and both", async (_what, options, message) => {
    const directory = await newDirectory();
    await (await openIn(directory)).close();
    await expect(openIn(directory, options)).rejects.toMatchObject({
      code: "DIRECTORY_MISMATCH",
      message: expect.stringMatching(message),
    });
    await expect(openIn(directory, options)).rejects.toThrow(`${directory}: the directory has `);
  });

  test("a directory of another engine is refused, naming both", async () => {
    const directory = await newDirectory();
    await mkdir(join(directory, "engine-other"));
    await expect(openIn(directory)).rejects.toMatchObject({
      code: "DIRECTORY_MISMATCH",
      message: `${directory} has storage engine other; it was opened with classic-level`,
    });
    const rows = new MemoryRows();
    await (await openOver(rows)).close();
    const engine = { ...openMemoryEngine(rows), name: "other" };
    await expect(openOver(rows, { engine })).rejects.toThrow("storage engine memory; it was opened with other");
  });

  test("a format from the future is refused before anything else is looked at", async () => {
    const rows = new MemoryRows();
    await (await openOver(rows)).close();
    const content = unwrapRow(metaKeys.identity, rows.get(metaKeys.identity) ?? Buffer.of(), "identity row");
    const identity = fromBinary(DirectoryIdentitySchema, content);
    const future = create(DirectoryIdentitySchema, { ...identity, formatVersion: 3, clusterId: "other" });
    const value = wrapRow(metaKeys.identity, toBinary(DirectoryIdentitySchema, future));
    rows.apply({ type: "put", key: metaKeys.identity, value });
    await expect(openOver(rows)).rejects.toMatchObject({
      code: "FORMAT_UNSUPPORTED",
      message: "the directory has format 3; this version reads formats 1 to 2",
    });
  });

  test("an unreadable directory is refused", async () => {
    const directory = await newDirectory();
    await chmod(directory, 0o000);
    onTestFinished(() => chmod(directory, 0o700));
    // Root reads everything.
    if (process.getuid?.() === 0) return expect((await openIn(directory)).recovered.lastIndex).toBe(0);
    await expect(openIn(directory)).rejects.toMatchObject({ code: "DIRECTORY_UNUSABLE" });
  });
});
