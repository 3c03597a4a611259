import { mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { ClassicLevel } from "classic-level";
import { closeGivenUp } from "./close-after.ts";
import { locked } from "./directory-lock.ts";
import { systemCode } from "./system-code.ts";

const placePrefix = "settling-";

/** A place with what holds the lock there. */
interface Held {
  readonly place: string;
  database: ClassicLevel | undefined;
}

/** Whether a name in a data directory is that of a place where {@link whileUnused} holds locks, or held them when it was cut short. */
export function isLockPlace(name: string): boolean {
  return name.startsWith(placePrefix);
}

/**
 * Runs `work` while no process has one of these engines of a data directory open, nor can open it: none in another container
 * either, which the lock of the directory does not keep out. To move the files of an engine that is open ends whoever has it open.
 *
 * Either engine locks its file `LOCK`, which Node cannot do, and an open would rewrite its files. So LevelDB is opened in a place of
 * its own, where `LOCK` is a link to the engine's. A full disk or a file system without links does not keep `work` from its
 * way, since that may be what gives room back. Rejects with `DIRECTORY_LOCKED` when somebody has one open.
 */
export async function whileUnused(
  directory: string,
  engines: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  // Windows moves no directory in which a file is open.
  if (process.platform === "win32") return work();
  const held: Held[] = [];
  try {
    for (const engine of engines) await takeLock(directory, engine, held);
    const places = held.map(({ place }) => place);
    const left = (await readdir(directory)).filter(isLockPlace).map((name) => join(directory, name));
    for (const path of left) if (!places.includes(path)) await rm(path, { recursive: true, force: true });
    await work();
  } finally {
    for (const each of held) await giveBack(each);
  }
}

async function takeLock(directory: string, engine: string, held: Held[]): Promise<void> {
  try {
    const place = await mkdtemp(join(directory, placePrefix));
    const lock: Held = { place, database: undefined };
    held.push(lock);
    await symlink(join("..", basename(engine), "LOCK"), join(place, "LOCK"));
    lock.database = new ClassicLevel(place);
    await lock.database.open();
  } catch (error) {
    if (error instanceof Error && systemCode(error.cause) === "LEVEL_LOCKED") throw locked(directory);
  }
}

async function giveBack({ place, database }: Held): Promise<void> {
  if (database !== undefined) await closeGivenUp(database);
  await rm(place, { recursive: true, force: true }).catch(() => {});
}
