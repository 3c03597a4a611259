import { beforeEach, describe, expect, test } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { seededRandom } from "../../src/raft/random.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import { SnapshotSource } from "../../src/replica/snapshot-source.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { MemoryDirectory, openMemoryHome } from "../storage/memory-home.ts";
import { fill } from "../storage/snapshot-fixture.ts";
import { openOver } from "../storage/store-fixture.ts";
import { firstChunk } from "../transport/snapshot-rows.ts";

let directory: MemoryDirectory;
let store: MemberStore;
let warnings: string[];
let failures: unknown[];
let firstIndex: number;
let stateBytes: number;
let installing: boolean;

beforeEach(async () => {
  directory = new MemoryDirectory();
  store = await openOver(directory.rows, openMemoryHome(directory));
  await fill(store, 12, 10);
  [warnings, failures, firstIndex, stateBytes, installing] = [[], [], 1, 4321, false];
});

function openSource(): SnapshotSource {
  const configuration = { index: 0, configuration: store.identity.bootstrapConfiguration };
  const node: unknown = {
    logBaseAt: (index: number) => {
      if (installing) throw new Error("the core does not know of that state yet");
      return { index, term: 1, configuration };
    },
    get firstIndex() {
      return firstIndex;
    },
    progress: new Map(),
    role: "leader",
  };
  return new SnapshotSource({
    node: node as RaftNode,
    store,
    options: defaultReplicaOptions,
    metrics: silentMetrics,
    runtime: processRuntime,
    random: seededRandom(7),
    logger: { ...silentLogger, warn: (_fields, message) => void warnings.push(message) },
    isInstalling: () => installing,
    isDiverged: () => false,
    stateBytes: () => stateBytes,
    fail: (error) => void failures.push(error),
  });
}

const gone = { code: "SNAPSHOT_GONE" };
const inFiles = firstChunk({ engine: "memory", bytesMax: 100 });

describe("a source of snapshots whose engine has files", () => {
  test("gives them to whoever has the same engine, from any byte on, with their list at the beginning", async () => {
    const source = openSource();
    const first = await source.serve("f", inFiles);
    const { snapshotId, totalBytes } = first;
    if (first.part.type !== "files") expect.fail("files were asked for");
    expect(first).toMatchObject({ base: { index: 10, term: 1 }, done: false });
    expect(first.part.files.reduce((sum, { size }) => sum + size, 0)).toBe(totalBytes);
    expect(source.sending).toEqual([{ to: "f", index: 10, bytes: 100, totalBytes }]);
    const again = await source.serve("f", firstChunk({ snapshotId, offset: 40, bytesMax: 60 }));
    expect(again.part).toEqual({ type: "files", files: [], data: first.part.data.subarray(40) });
    const rest = await source.serve("f", firstChunk({ snapshotId, offset: 100 }));
    expect(rest.done).toBe(true);
    const end = await source.serve("f", firstChunk({ snapshotId, offset: totalBytes }));
    expect(end).toMatchObject({ part: { data: new Uint8Array(0) }, done: true });
    await expect(source.serve("f", firstChunk({ snapshotId, offset: totalBytes + 1 }))).rejects.toThrow(
      "was asked for",
    );
  });

  test("gives rows to others, and where the files cannot be opened", async () => {
    const source = openSource();
    for (const engine of [null, "another"]) {
      const { part, totalBytes } = await source.serve("f", firstChunk({ engine }));
      expect([part.type, totalBytes]).toEqual(["rows", 4321]);
    }
    directory.before = () => {
      throw new Error("too many open files");
    };
    expect((await source.serve("f", inFiles)).part.type).toBe("rows");
    expect(warnings).toEqual(["the files of the storage engine cannot be opened for a snapshot; it is sent in rows"]);
    expect(failures).toEqual([]);
    await store.write({ entries: [], stateChanges: [], appliedIndex: 11 });
  });

  test("gives rows where the files come to more than three times as much", async () => {
    const source = openSource();
    const { totalBytes } = await source.serve("f", inFiles);
    for (const [bytes, form] of [
      [Math.ceil(totalBytes / 3), "files"],
      [Math.ceil(totalBytes / 3) - 1, "rows"],
      [0, "files"],
    ] as const) {
      stateBytes = bytes;
      expect((await source.serve("f", inFiles)).part.type).toBe(form);
    }
    expect(warnings).toEqual([]);
  });

  test("gives none of a state that the core's log lies beyond", async () => {
    const source = openSource();
    firstIndex = 12;
    expect((await source.serve("f", inFiles)).part.type).toBe("rows");
    firstIndex = 11;
    expect((await source.serve("f", inFiles)).part.type).toBe("files");
  });

  test("refuses whoever asks while it stops, or installs a snapshot itself", async () => {
    const source = openSource();
    const asked = source.serve("f", inFiles);
    installing = true;
    await expect(asked).rejects.toThrow("is being installed here");
    installing = false;
    expect(failures).toEqual([]);
    const late = source.serve("f", inFiles);
    source.close();
    await expect(late).rejects.toMatchObject(gone);
    expect(source.sending).toEqual([]);
  });

  test("keeps as many as may be open, though they are opened at the same time", async () => {
    const source = openSource();
    const served = await Promise.allSettled(
      ["a", "b", "c", "d", "e", "f", "f"].map((from) => source.serve(from, inFiles)),
    );
    expect(source.sending).toHaveLength(defaultReplicaOptions.snapshot.openMax);
    expect(served.filter(({ status }) => status === "rejected")).toHaveLength(3);
  });

  test("one that is let go of under a read is gone for whoever asked", async () => {
    const source = openSource();
    const { snapshotId } = await source.serve("f", inFiles);
    const { files } = (await store.openFiles()) ?? expect.fail("no files");
    await files.close();
    source.close();
    await expect(source.serve("f", firstChunk({ snapshotId }))).rejects.toBeInstanceOf(RaftKvError);
  });
});
