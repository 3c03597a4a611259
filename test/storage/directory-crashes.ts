import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** What a storage call goes through: a file system's, or a write of the engine. */
export type Pass = <Result>(call: string, act: () => Promise<Result>) => Promise<Result>;

/** A copy of a directory as a crash left it. */
export interface CrashLeft {
  /** The call at which it was. */
  readonly where: string;
  readonly directory: string;
}

type Sizes = ReadonlyMap<string, number>;

function sizesIn(directory: string): Sizes {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path, statSync(path, { throwIfNoEntry: false })?.size ?? 0] as const;
    }),
  );
}

/** Copies a directory; a file that an engine removes in the background meanwhile is not there then. */
function copyTree(from: string, to: string): void {
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyTree(source, target);
    else copyFile(source, target);
  }
}

function copyFile(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if (existsSync(from)) throw error;
  }
}

/** Calls that are done or not, what an engine does by itself among them: it has synced what it needs. */
const untorn = /^(?:rename|engine)/;

/** Calls after which names may be lost that were not before. */
const changesNames = /^(?:make|rename|remove|fill|close)/;

/** What crashes leave of a directory in which something is going on: copies of it, beside each other. {@link Crashes.pass} is called for each call. */
export class Crashes {
  readonly #live: string;
  readonly #copies: string;
  /** Names in directories below that a sync has made durable, by the directory's path. */
  readonly #durable = new Map<string, ReadonlySet<string>>();
  /** Renames that no sync has made durable, oldest first. */
  #renames: { readonly from: string; readonly to: string }[] = [];
  readonly left: CrashLeft[] = [];

  constructor(live: string, copies: string) {
    this.#live = live;
    this.#copies = copies;
  }

  readonly pass: Pass = async (call, act) => {
    // Before any other call a crash leaves what it leaves after the one before.
    if (this.left.length === 0) this.#keep(`before ${call}`);
    const before = sizesIn(this.#live);
    if (call.startsWith("remove")) this.#keepHalfRemoved(call);
    const result = await act();
    this.#note(call);
    this.#keep(`after ${call}`);
    if (!untorn.test(call)) this.#keepTorn(call, before);
    if (!changesNames.test(call)) return result;
    this.#keepSynced(call);
    // Nor does a directory have to keep its names in the order in which it got them.
    if (call.startsWith("rename")) this.#keepSynced(call, call.split(" ")[2]);
    return result;
  };

  /** Tells that the names in a directory are durable, for what syncs them without a call of this process's own. */
  synced(directory: string): void {
    this.#durable.set(directory, new Set(readdirOrNone(directory)));
    this.#renames = this.#renames.filter(({ to }) => dirname(to) !== directory);
  }

  #note(call: string): void {
    const [what, path = "", to = ""] = call.split(" ");
    if (what === "sync" && statSync(path).isDirectory()) this.synced(path);
    if (what !== "rename") return;
    this.#renames.push({ from: path, to });
    // What is in a directory goes with it; its own name is to be synced where it is now.
    for (const [directory, names] of [...this.#durable]) {
      if (directory === path || directory.startsWith(`${path}/`)) {
        this.#durable.set(to + directory.slice(path.length), names);
      }
    }
  }

  #keep(where: string): string {
    const directory = join(this.#copies, String(this.left.length));
    copyTree(this.#live, directory);
    this.left.push({ where, directory });
    return directory;
  }

  /** A call that added to files added half of it. */
  #keepTorn(call: string, before: Sizes): void {
    const grown = [...sizesIn(this.#live)].filter(([path, size]) => size > (before.get(path) ?? 0));
    if (grown.length === 0) return;
    const copy = this.#keep(`during ${call}`);
    for (const [path, size] of grown) {
      const half = Math.floor(((before.get(path) ?? 0) + size) / 2);
      truncateSync(path.replace(this.#live, copy), half);
    }
  }

  /** A removal of a directory got through half of its files. */
  #keepHalfRemoved(call: string): void {
    const path = call.split(" ")[1] ?? "";
    const names = readdirOrNone(path);
    if (names.length === 0) return;
    const copy = this.#keep(`during ${call}`);
    for (const name of names.filter((_name, at) => at % 2 === 0)) {
      rmSync(join(path.replace(this.#live, copy), name), { recursive: true, force: true });
    }
  }

  /** Names that no sync has made durable are gone, all but the `last`; what was renamed has its name from before. */
  #keepSynced(call: string, last?: string): void {
    const copy = this.#keep(`after ${call}, without ${last === undefined ? "what" : "what else"} was not synced`);
    for (const { from, to } of this.#renames.toReversed()) {
      if (to === last) continue;
      const [old, renamed] = [from.replace(this.#live, copy), to.replace(this.#live, copy)];
      const wasThere = this.#durable.get(dirname(from))?.has(basename(from)) === true;
      if (wasThere && existsSync(renamed) && !existsSync(old)) renameSync(renamed, old);
    }
    const directories = [...this.#durable.keys()].filter((path) => path.startsWith(this.#live));
    for (const directory of directories.toSorted()) {
      const copied = directory.replace(this.#live, copy);
      for (const name of readdirOrNone(copied)) {
        if (join(directory, name) === last) continue;
        if (this.#durable.get(directory)?.has(name) !== true) rmSync(join(copied, name), { recursive: true });
      }
    }
  }
}

export function readdirOrNone(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
