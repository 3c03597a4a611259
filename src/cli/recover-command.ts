import type { Command } from "commander";
import { RaftKvError } from "../lib/errors.ts";
import { describeDivergence } from "../storage/divergence.ts";
import { forceNewCluster, type StorePosition, storePosition } from "../storage/force-new-cluster.ts";
import type { CliIo } from "./cli-io.ts";
import { exitCodes } from "./exit-code.ts";
import type { Act } from "./kv-commands.ts";
import { renderTable } from "./render.ts";
import { whileWaiting } from "./waiting-line.ts";

interface RecoverFlags {
  readonly dataDir: string;
  readonly forceNewCluster?: boolean;
  readonly yes?: boolean;
}

/** Adds recover: what a stopped member knows, and the way out when a majority is lost for good. */
export function addRecoverCommand(program: Command, io: CliIo, act: Act): void {
  program
    .command("recover")
    .description("tell how much a stopped member knows, or make it a new cluster of its own")
    .requiredOption("--data-dir <DIR>", "data directory of a member that is stopped")
    .option("--force-new-cluster", "make it the only member of a new cluster, with everything in its log")
    .option("--yes", "the majority of the old cluster is gone for good, and no other member knows more")
    .action(act((flags: RecoverFlags) => recover(io, flags)));
}

async function recover(io: CliIo, { dataDir, forceNewCluster: force, yes }: RecoverFlags): Promise<number> {
  if (force !== true) {
    const position = await whileReading(io, dataDir, () => storePosition(dataDir));
    io.stdout.write(describe(position));
    if (position.divergence === undefined) return exitCodes.ok;
    io.stderr.write(`raftkv: ${dataDir}: ${describeDivergence(position.divergence)}. ${advice}\n`);
    return exitCodes.error;
  }
  if (yes !== true) {
    throw new RaftKvError(
      "CONFIG_INVALID",
      "--force-new-cluster gives up on every other member; it needs --yes as well. Compare LAST TERM, then LAST INDEX, of " +
        "every directory that is left, and take the greatest: raftkv recover --data-dir DIR",
    );
  }
  const { before, clusterId, uncommittedEntries } = await whileReading(io, dataDir, () => forceNewCluster(dataDir));
  io.stdout.write(describe(before));
  io.stdout.write(
    `${dataDir}: ${before.memberName} is the only member of the new cluster ${clusterId}; ` +
      `entries that it will commit without knowing that they were: ${uncommittedEntries}\n` +
      "start it, then add members with empty directories: raftkv member add\n",
  );
  return exitCodes.ok;
}

const advice =
  "No new cluster is made of it, however great its LAST INDEX: take the greatest of the other directories, or restore a " +
  "backup if none is left";

/** The whole log is read, and with classic-level the state too. */
function whileReading<T>({ stderr }: CliIo, directory: string, work: () => Promise<T>): Promise<T> {
  return whileWaiting(stderr, () => `reading ${directory}`, work);
}

function describe({ memberName, clusterId, term, lastTerm, lastIndex, commitIndex }: StorePosition): string {
  const header = ["MEMBER", "CLUSTER", "TERM", "LAST TERM", "LAST INDEX", "COMMITTED"];
  return renderTable(header, [[memberName, clusterId, ...[term, lastTerm, lastIndex, commitIndex].map(String)]]);
}
