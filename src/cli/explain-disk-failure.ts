import { statfs } from "node:fs/promises";
import { resolve } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import { withTimeout } from "./with-timeout.ts";

/** With less than this left the disk is taken for full: an engine asks for as much at once, and for a start. Bytes. */
const scarceBytes = 64 * 1024 * 1024;

/** How long the disk is asked, milliseconds; one that hangs is told without its figures. */
const askMsMax = 1000;

interface DiskSpace {
  readonly availableBytes: number;
  readonly capacityBytes: number;
}

/** What to do about a disk that is nearly full, and about one that has room. */
export interface DiskAdvice {
  readonly scarce: string;
  readonly other: string;
}

/** For a member that stops. */
const memberAdvice: DiskAdvice = {
  scarce: "make room there and start the member again, nothing that it acknowledged is lost",
  other: "look after the disk and start the member again, it checks then that all it acknowledged is there",
};

/** For a command on the directory of a member that is stopped, which removes what it has made in vain. */
export const commandAdvice: DiskAdvice = {
  scarce: "what was made there is removed again; make room and run the command again",
  other: "what was made there is removed again; look after the disk and run the command again",
};

/**
 * The same error with the data directory, the room on its disk and what to do, where the disk may be the cause: of
 * `WRITE_FAILED`, and of `DIRECTORY_UNUSABLE` on a disk that is nearly full. Any other error as it is. Never rejects.
 * `advice` is by default that for a member.
 */
export async function explainDiskFailure(error: unknown, directory: string, advice = memberAdvice): Promise<unknown> {
  if (!(error instanceof RaftKvError)) return error;
  if (error.code !== "WRITE_FAILED" && error.code !== "DIRECTORY_UNUSABLE") return error;
  const space = await readSpace(directory);
  if (space === undefined) return error;
  const { availableBytes, capacityBytes } = space;
  const scarce = availableBytes < scarceBytes;
  if (error.code === "DIRECTORY_UNUSABLE" && !scarce) return error;
  const room = `the disk of ${resolve(directory)} has ${availableBytes} of ${capacityBytes} bytes left`;
  const todo = scarce ? advice.scarce : advice.other;
  return new RaftKvError(error.code, `${error.message}; ${room}: ${todo}`, { cause: error });
}

async function readSpace(directory: string): Promise<DiskSpace | undefined> {
  let space: DiskSpace | undefined;
  const ask = async (): Promise<void> => {
    const { bavail, blocks, bsize } = await statfs(directory);
    space = { availableBytes: bavail * bsize, capacityBytes: blocks * bsize };
  };
  await withTimeout(ask(), askMsMax).catch(() => {});
  return space;
}
