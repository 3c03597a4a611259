import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { openDirectoryHome } from "../../src/storage/directory-home.ts";
import { type EngineName, engineDirectory, openEngine } from "../../src/storage/engine-directory.ts";
import type { EngineFiles, EngineHome, IncomingFiles } from "../../src/storage/engine-home.ts";
import type { InstallationSource } from "../../src/storage/installation.ts";
import { everyRow, stateKey } from "../../src/storage/row-keys.ts";
import type { Row, RowChange, RowReader, StorageEngine } from "../../src/storage/storage-engine.ts";
import { bootstrapConfiguration, newDirectory } from "./store-fixture.ts";

/** Whose files come in these tests. */
export const source: InstallationSource = {
  snapshotId: "snapshot 1",
  from: "00000000000000a2",
  base: { index: 20, term: 3, configuration: { index: 0, configuration: bootstrapConfiguration } },
};

/** A state row with a key that orders as `number` does. */
export function row(number: number, value: string | Uint8Array = `value ${number}`): RowChange & { type: "put" } {
  const key = stateKey(0, Buffer.from(String(number).padStart(9, "0")));
  return { type: "put", key, value: Buffer.from(value) };
}

/** Rows from `first` to `last`. */
export function rowsFrom(first: number, last: number, value?: Uint8Array): RowChange[] {
  return Array.from({ length: last - first + 1 }, (_, at) => row(first + at, value));
}

/** Numbers of the rows of {@link row}, ascending. */
export async function numbersIn(engine: Pick<RowReader, "iterate">): Promise<number[]> {
  const numbers: number[] = [];
  for await (const page of engine.iterate(everyRow)) {
    numbers.push(...page.map(([key]: Row) => Number(Buffer.from(key).subarray(5).toString("latin1"))));
  }
  return numbers;
}

/** A data directory with an engine that has the rows from 1 to `last`, and its home. The engine is closed when the test ends. */
export async function homeWith(
  engineName: EngineName,
  last: number,
): Promise<{ readonly directory: string; readonly engine: StorageEngine; readonly home: EngineHome }> {
  const directory = join(await newDirectory(), "data");
  await mkdir(directory);
  const engine = await opened(engineName, engineDirectory(directory, engineName));
  if (last > 0) await engine.write(rowsFrom(1, last));
  return { directory, engine, home: await openDirectoryHome(directory, engineName) };
}

/** An engine that is closed when the test ends, unless it was before. */
export async function opened(engineName: EngineName, path: string): Promise<StorageEngine> {
  const engine = await openEngine(engineName, path);
  onTestFinished(() => engine.close().catch(() => {}));
  return engine;
}

/** Everything that is held, in pieces. */
export async function contentOfFiles(files: EngineFiles, pieceBytes = 1024 * 1024): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ; offset += pieces.at(-1)?.length ?? 0) {
    const piece = await files.read(offset, pieceBytes);
    if (piece.length === 0) return Buffer.concat(pieces);
    pieces.push(piece);
  }
}

/** Sends what is held to a home, which has then received all of it. */
export async function sendFiles(files: EngineFiles, to: EngineHome): Promise<IncomingFiles> {
  const incoming = await to.receive(source, files.files);
  await incoming.append(await contentOfFiles(files));
  return incoming;
}

/** Names in a data directory, ordered, without the watermark. */
export async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => !name.startsWith("durable-watermark")).sort();
}
