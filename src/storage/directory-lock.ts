import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { RaftKvError } from "../lib/errors.ts";
import { unusable } from "./data-directory.ts";
import { systemCode } from "./system-code.ts";

/** Held directories of this process where there are no abstract sockets; the engine's own lock keeps other processes out. */
const heldHere = new Set<string>();

/**
 * Length of a lock's name, without the byte that makes it abstract: all that the kernel takes. The libuv of Node 20 fills
 * shorter names up with zero bytes and later ones do not, so that two versions of Node would lock two names.
 */
const lockNameLength = 107;

/**
 * Locks a directory until the returned function is called or the process ends, however it ends.
 * Rejects with `DIRECTORY_LOCKED` when anyone has it, in this process or another.
 *
 * LevelDB's own lock is not enough: a second open in the same process fails, and in failing gives up the lock of the
 * first, so that another process may come in. This lock comes first, so that there is no second open. It is a name in
 * the abstract socket space, which the kernel frees with the process and which no file stands for; the name is the identity
 * of the directory, not its path. The name space is one of the network name space: a process in another container is kept
 * out by the engine's lock, which its open cannot make us lose, and which `settleEngines` takes before it moves anything.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const name = await lockName(directory);
  if (process.platform !== "linux") return lockInProcess(directory, name);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(systemCode(error) === "EADDRINUSE" ? locked(directory) : error));
    server.listen({ path: `\0${name}`, exclusive: true }, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

async function lockName(directory: string): Promise<string> {
  try {
    const { dev, ino } = await stat(directory, { bigint: true });
    return `raftkv-directory-${dev}-${ino}-`.padEnd(lockNameLength, ".");
  } catch (cause) {
    throw unusable(directory, "cannot be read", cause);
  }
}

function lockInProcess(directory: string, name: string): () => Promise<void> {
  if (heldHere.has(name)) throw locked(directory);
  heldHere.add(name);
  return async () => void heldHere.delete(name);
}

/** What a directory that somebody else has is answered with. */
export function locked(directory: string): RaftKvError {
  return new RaftKvError("DIRECTORY_LOCKED", `${directory} is in use by another raftkv process, or twice by this one`);
}
