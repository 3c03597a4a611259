import { rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import { convertStore } from "../../src/storage/convert-store.ts";
import type * as EngineDirectory from "../../src/storage/engine-directory.ts";
import { newDirectory, openIn } from "./store-fixture.ts";

// As RocksDB's close does behind a write that failed: it ends, and fails for what had happened before.

const closing = vi.hoisted(() => ({ fails: false }));

vi.mock("../../src/storage/engine-directory.ts", async (importOriginal) => {
  const original = await importOriginal<typeof EngineDirectory>();
  const openEngine: typeof original.openEngine = async (...given) => {
    const engine = await original.openEngine(...given);
    const close = engine.close.bind(engine);
    engine.close = async () => {
      await close();
      if (closing.fails) throw new Error("the database is not closed");
    };
    return engine;
  };
  return { ...original, openEngine };
});

beforeEach(() => {
  closing.fails = false;
});

test("a start that failed tells why, and has let go of the directory, when the engine's close fails, too", async () => {
  const directory = await newDirectory();
  closing.fails = true;
  const chooseOwner = () => Promise.reject(new RaftKvError("JOIN_FAILED", "nobody knows this member"));
  await expect(openIn(directory, { chooseOwner })).rejects.toMatchObject({
    code: "JOIN_FAILED",
    message: `${directory}: nobody knows this member`,
  });
  closing.fails = false;
  await (await openIn(directory)).close();
});

test("a conversion that found damage tells it when the engine's close fails, too", async () => {
  const directory = await newDirectory();
  await (await openIn(directory)).close();
  await rm(join(directory, "durable-watermark"));
  closing.fails = true;
  await expect(convertStore(directory, "rocksdb")).rejects.toMatchObject({ code: "LOG_CORRUPT" });
});
