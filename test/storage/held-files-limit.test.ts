import { readdir } from "node:fs/promises";
import { beforeEach, expect, test, vi } from "vitest";
import type * as FreeDescriptors from "../../src/storage/free-descriptors.ts";
import { homeWith } from "./home-fixture.ts";

const descriptors = vi.hoisted((): { free: number | undefined; really: () => Promise<number | undefined> } => ({
  free: undefined,
  really: async () => undefined,
}));

vi.mock("../../src/storage/free-descriptors.ts", async (importOriginal) => {
  descriptors.really = (await importOriginal<typeof FreeDescriptors>()).freeDescriptors;
  return { freeDescriptors: async () => descriptors.free };
});

beforeEach(() => {
  descriptors.free = undefined;
});

test("files are not held where the engine might get no descriptor for a new one", async () => {
  const { home } = await homeWith("classic-level", 5);
  for (const enough of [undefined, 100_000]) {
    descriptors.free = enough;
    await (await home.files()).close();
  }
  descriptors.free = 1_200;
  await expect(home.files()).rejects.toMatchObject({ code: "DIRECTORY_UNUSABLE" });
});

test.runIf(process.platform === "linux")("what a process may still open falls with what it has open", async () => {
  const before = (await descriptors.really()) ?? expect.fail("Linux tells");
  const { engine } = await homeWith("classic-level", 5);
  expect(await descriptors.really()).toBeLessThan(before);
  await engine.close();
  expect((await readdir("/proc/self/fd")).length).toBeLessThan(before);
});
