import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { EngineName } from "../../src/storage/engine-directory.ts";
import { batch, commands, newDirectory, openIn, put, term } from "./store-fixture.ts";

/** A closed store whose last writes are in the engine's own log; a step on the way was turned into tables. */
export async function filledDirectory(engineName: EngineName): Promise<string> {
  const directory = join(await newDirectory(), "filled");
  const store = await openIn(directory, { engineName });
  await store.write(batch({ hardState: term(1), entries: commands(1, 20, 1) }));
  await store.write(batch({ stateChanges: [put("a", "1"), put("b", "2")], appliedIndex: 2 }));
  await store.close();
  const again = await openIn(directory, { engineName });
  for (let index = 21; index <= 40; index += 1) {
    await again.write(batch({ entries: commands(index, index, 1) }));
    await again.write(batch({ stateChanges: [put(`k${index}`, "v")], appliedIndex: index }));
  }
  await again.close();
  return directory;
}

/** The engine's own log, which it replays when it opens. */
export async function writeAheadLog(directory: string, engineName: EngineName): Promise<string> {
  const engine = join(directory, `engine-${engineName}`);
  const name = (await readdir(engine)).find((file) => file.endsWith(".log"));
  return join(engine, name ?? "no log");
}
