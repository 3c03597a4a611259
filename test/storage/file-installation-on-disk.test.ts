import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { checkStore } from "../../src/storage/check-store.ts";
import { type EngineName, engineNames } from "../../src/storage/engine-directory.ts";
import type { FilesInstallation } from "../../src/storage/installation.ts";
import type { MemberStore, StateFiles } from "../../src/storage/member-store.ts";
import { namesIn } from "./home-fixture.ts";
import { fill, rowsOf, sourceAt, stateOf, text } from "./snapshot-fixture.ts";
import { batch, commands, newDirectory, openIn, plainEntry, term } from "./store-fixture.ts";

const everything = Number.MAX_SAFE_INTEGER;
const senderId = "00000000000000a2";
const sent = rowsOf(1, 40, "value").map(text);
const nothing = (): void => {};

/** A member with 50 entries and 40 applied rows. */
async function sender(engineName: EngineName): Promise<MemberStore> {
  const store = await openIn(await newDirectory(), { engineName, memberId: senderId });
  await fill(store, 50, 40);
  return store;
}

async function filesOf(store: MemberStore): Promise<StateFiles> {
  const files = (await store.openFiles()) ?? expect.fail("the store has files");
  onTestFinished(() => files.files.close());
  return files;
}

/** Brings what is missing, up to a number of bytes. */
async function receive(installation: FilesInstallation, { files }: StateFiles, upTo = files.totalBytes): Promise<void> {
  while (installation.bytes < upTo) {
    await installation.addBytes(await files.read(installation.bytes, Math.min(300, upTo - installation.bytes)));
  }
}

function inFiles({ installation }: MemberStore): FilesInstallation {
  if (installation?.type !== "files") return expect.fail("files are on their way");
  return installation;
}

describe.each(engineNames)("installing files of %s in a directory", (engineName) => {
  test("goes on where it was after a restart, and again in the place of what was installed", {
    timeout: 60_000,
  }, async () => {
    const from = await sender(engineName);
    const files = await filesOf(from);
    // What the sender does from now on is not in the files.
    await from.write(batch({ entries: commands(51, 60, 1) }));
    const directory = await newDirectory();
    let store = await openIn(directory, { engineName });
    await fill(store, 5, 3);
    const { identity } = store;
    const reopen = async (): Promise<void> => {
      await store.close();
      store = await openIn(directory, { engineName });
      expect(store.identity).toEqual(identity);
    };
    await receive(
      await store.beginFileInstallation(sourceAt(40, 1), files.files.files),
      files,
      files.files.totalBytes - 20,
    );
    await reopen();
    expect(await stateOf(store)).toHaveLength(3);
    expect(inFiles(store).source).toEqual(sourceAt(40, 1));
    expect(inFiles(store).bytes).toBeGreaterThan(files.files.totalBytes / 2);
    await receive(inFiles(store), files);
    expect(await inFiles(store).complete()).toBeUndefined();
    // Also when it is closed with the engine open that is not adopted yet.
    await reopen();
    expect(await stateOf(store)).toHaveLength(3);
    expect(inFiles(store).bytes).toBe(files.files.totalBytes);
    expect(await inFiles(store).complete()).toBeUndefined();
    await inFiles(store).finish(nothing);
    await store.write(batch({ hardState: term(2, 40), entries: commands(41, 45, 2) }));
    expect(await stateOf(store)).toEqual(sent);

    await reopen();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
    expect(store.recovered).toMatchObject({ logBase: { index: 40, term: 1 }, lastIndex: 45, appliedIndex: 40 });
    expect((await store.readEntries(41, 45, everything)).map(plainEntry)).toEqual(commands(41, 45, 2).map(plainEntry));

    const again = await filesOf(await later(engineName));
    const second = await store.beginFileInstallation(sourceAt(80, 1), again.files.files);
    await receive(second, again);
    expect(await second.complete()).toBeUndefined();
    await second.finish(nothing);
    await store.close();
    const { damages, store: checked } = await checkStore(directory);
    expect([damages, checked?.recovered.appliedIndex]).toEqual([[], 80]);
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
    store = await openIn(directory, { engineName });
    expect(store.identity).toEqual(identity);
    expect(await stateOf(store)).toHaveLength(80);
  });

  test("lets go of the engine over the files, whatever a close comes between", { timeout: 60_000 }, async () => {
    const files = await filesOf(await sender(engineName));
    const directory = await newDirectory();
    let store = await openIn(directory, { engineName });
    await fill(store, 5, 3);
    await receive(await store.beginFileInstallation(sourceAt(40, 1), files.files.files), files);
    const reopen = async (): Promise<void> => {
      await store.close().catch(nothing);
      store = await openIn(directory, { engineName });
    };

    const givenUp = inFiles(store);
    const cutShort = Promise.allSettled([givenUp.complete(), givenUp.abandon()]);
    await reopen();
    await cutShort;
    expect(await inFiles(store).complete()).toBeUndefined();

    // In the way of the marker.
    const inTheWay = join(directory, `engine-${engineName}.1`, "adopted.new");
    await mkdir(inTheWay);
    await expect(inFiles(store).finish(nothing)).rejects.toMatchObject({ code: "WRITE_FAILED" });
    await store.close().catch(nothing);
    await rmdir(inTheWay);
    await reopen();
    expect(await inFiles(store).complete()).toBeUndefined();

    const removed = inFiles(store).abandon();
    await new Promise(setImmediate);
    await store.close();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
    await removed;
  });
});

/** A member that is further than {@link sender}. */
async function later(engineName: EngineName): Promise<MemberStore> {
  const store = await openIn(await newDirectory(), { engineName, memberId: senderId });
  await fill(store, 90, 80);
  return store;
}
