import type { FilesInstallation, Installation, RowsInstallation } from "../../src/storage/installation.ts";
import type { MemberStore, StoreBatch } from "../../src/storage/member-store.ts";
import type { StateSnapshot } from "../../src/storage/state-snapshot.ts";
import type { World } from "./world.ts";

/** Who watches a store. */
export interface StoreObserver {
  /** A turn with entries, or with a truncation, is about to be written. */
  readonly handsOver: (batch: StoreBatch) => void;
  readonly leads: () => boolean;
}

/** Lets promises run after every call of the store that gives one, even when no disk takes part, and counts what is done with it. */
export function watchStore(store: MemberStore, world: World, { handsOver, leads }: StoreObserver): void {
  const { coverage } = world;
  const write = store.write.bind(store);
  const readEntries = store.readEntries.bind(store);
  const compact = store.compact.bind(store);
  const beginInstallation = store.beginInstallation.bind(store);
  const beginFileInstallation = store.beginFileInstallation.bind(store);
  const openFiles = store.openFiles.bind(store);
  const rememberPeerDirectory = store.rememberPeerDirectory.bind(store);
  const openSnapshot = store.openSnapshot.bind(store);
  const markDiverged = store.markDiverged.bind(store);
  store.write = (batch) => {
    world.touch();
    if (batch.entries.length > 0 || batch.truncateFrom !== undefined) handsOver(batch);
    return write(batch);
  };
  store.readEntries = (from, to, bytesMax) => {
    world.touch();
    if (leads()) coverage.saw("logReadFromStore");
    return readEntries(from, to, bytesMax);
  };
  store.compact = (base) => {
    world.touch();
    coverage.saw("compacted");
    return compact(base);
  };
  store.rememberPeerDirectory = (memberId, dataDirectoryId) => {
    world.touch();
    return rememberPeerDirectory(memberId, dataDirectoryId);
  };
  store.openSnapshot = () => {
    const snapshot = openSnapshot();
    const rows: StateSnapshot["rows"] = (after, pageBytes) => {
      world.touch();
      return snapshot.rows(after, pageBytes);
    };
    return { ...snapshot, rows };
  };
  store.markDiverged = (divergence) => {
    world.touch();
    return markDiverged(divergence);
  };
  store.beginInstallation = async (source) => {
    world.touch();
    if (store.installation !== undefined) coverage.saw("installBegunAnew");
    const installation = await beginInstallation(source);
    watchInstallation(installation, world, () => {});
    return installation;
  };
  store.beginFileInstallation = async (source, files) => {
    world.touch();
    if (store.installation !== undefined) coverage.saw("installBegunAnew");
    const installation = await beginFileInstallation(source, files);
    watchInstallation(installation, world, () => {});
    return installation;
  };
  store.openFiles = () => {
    world.touch();
    return openFiles();
  };
  if (store.installation === undefined) return;
  coverage.saw("installInterrupted");
  watchInstallation(store.installation, world, () => coverage.saw("installResumed"));
}

function watchInstallation(installation: Installation, world: World, resumed: () => void): void {
  if (installation.type === "rows") watchRows(installation, world, resumed);
  else watchFiles(installation, world, resumed);
  const finish = installation.finish.bind(installation);
  installation.finish = async (switched) => {
    world.touch();
    await finish(switched);
    world.coverage.saw("snapshotInstalled");
  };
  const abandon = installation.abandon.bind(installation);
  installation.abandon = () => {
    world.touch();
    return abandon();
  };
}

function watchRows(installation: RowsInstallation, world: World, resumed: () => void): void {
  const addRows = installation.addRows.bind(installation);
  installation.addRows = (rows) => {
    world.touch();
    resumed();
    return addRows(rows);
  };
}

function watchFiles(installation: FilesInstallation, world: World, resumed: () => void): void {
  const addBytes = installation.addBytes.bind(installation);
  installation.addBytes = (data) => {
    world.touch();
    resumed();
    return addBytes(data);
  };
  const complete = installation.complete.bind(installation);
  installation.complete = async () => {
    world.touch();
    const refusal = await complete();
    if (refusal !== undefined) world.coverage.saw("filesRefused");
    return refusal;
  };
}
