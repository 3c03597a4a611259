import { type Command, Option } from "commander";
import { type BackupStream, openBackupStream } from "../client/backup-stream.ts";
import { ClientError } from "../client/client-error.ts";
import { bootstrapConfiguration, restoredClusterIdentity } from "../config/cluster-identity.ts";
import { type InitialMember, parseInitialCluster } from "../config/initial-cluster.ts";
import { parseMemberName } from "../config/member-name.ts";
import { optionTable } from "../config/option-table.ts";
import { type Parsed, parsed, unparsed } from "../config/parsed.ts";
import { RaftKvError } from "../lib/errors.ts";
import { silentLogger } from "../lib/logger.ts";
import type { BackupFacts } from "../storage/backup-format.ts";
import { type EngineName, engineNames } from "../storage/engine-directory.ts";
import type { ReadBackup } from "../storage/read-backup.ts";
import { restoreStore } from "../storage/restore-store.ts";
import { backupPieces, checkBackupTarget, verifyBackup, writeBackupFile } from "./backup-file.ts";
import type { CliIo } from "./cli-io.ts";
import {
  addClientFlags,
  asArgument,
  type ClientFlags,
  type ClientTarget,
  clientTarget,
  fromVariable,
} from "./client-options.ts";
import { exitCodes } from "./exit-code.ts";
import { commandAdvice, explainDiskFailure } from "./explain-disk-failure.ts";
import type { Act } from "./kv-commands.ts";
import type { ProcessHost } from "./process-host.ts";
import { ProgressLine } from "./progress-line.ts";
import { renderJson, renderTable } from "./render.ts";

/** Adds backup save, verify and restore. */
export function addBackupCommands(program: Command, io: CliIo, act: Act, process: ProcessHost): void {
  const backup = program.command("backup").description("save the state of a cluster, and start a new one from it");
  const save = backup.command("save").description("write a backup, while the cluster goes on");
  save
    .argument("<file>", "file to make")
    .option("--stale", "do not ask the leader first: what the member has, for when there is no quorum");
  addClientFlags(save, ["table", "json"]).action(
    act(async (file: string, flags: ClientFlags & { readonly stale?: boolean }) => {
      await checkBackupTarget(file);
      const { pieces, sizeBytes } = await openFirst(clientTarget(flags, io), flags.stale === true);
      const found = await writeBackupFile(
        file,
        counted(pieces, sizeBytes, io),
        new ProgressLine(io.stderr, "verified"),
        process,
      );
      return show(io, flags.output, file, found);
    }),
  );
  addVerify(backup, io, act);
  addRestore(backup, io, act);
}

function addVerify(backup: Command, io: CliIo, act: Act): void {
  backup
    .command("verify")
    .description("read all of a backup and tell whether it is whole")
    .argument("<file>", "backup")
    .addOption(outputOption())
    .action(
      act(async (file: string, { output }: { readonly output: string }) =>
        show(io, output, file, await verifyBackup(file, new ProgressLine(io.stderr, "verified"))),
      ),
    );
}

const parseToken = optionTable.clusterToken.type.parse;

interface RestoreFlags {
  readonly dataDir: string;
  readonly name: string;
  readonly initialCluster: readonly InitialMember[];
  readonly clusterToken?: string;
  readonly storageEngine?: EngineName;
  readonly output: string;
}

function addRestore(backup: Command, io: CliIo, act: Act): void {
  backup
    .command("restore")
    .description("make the data directory of one member of a new cluster; to be run once for each member")
    .argument("<file>", "backup; the same for every member")
    .requiredOption("--data-dir <DIR>", "directory to make")
    .addOption(
      new Option("--name <NAME>", "name of the member")
        .argParser((text) => asArgument(parseMemberName, text))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option("--initial-cluster <MEMBERS>", "every member of the new cluster, NAME=HOST:PORT,…; the same for each")
        .argParser((text) => asArgument(parseInitialCluster, text))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--cluster-token <TOKEN>",
        "the same for every member (RAFTKV_CLUSTER_TOKEN; default raftkv)",
      ).argParser((text) => asArgument(parseToken, text)),
    )
    .addOption(
      new Option(
        "--storage-engine <NAME>",
        `engine of the directory (RAFTKV_STORAGE_ENGINE; default ${engineNames[0]})`,
      ).choices(engineNames),
    )
    .addOption(outputOption())
    .action(act((file: string, flags: RestoreFlags) => restore(io, file, flags)));
}

async function restore(io: CliIo, file: string, flags: RestoreFlags): Promise<number> {
  const { dataDir: directory, name, initialCluster, output } = flags;
  // As the member will read them that is started on the directory.
  const clusterToken = flags.clusterToken ?? fromVariable(io.env, "RAFTKV_CLUSTER_TOKEN", parseToken) ?? "raftkv";
  const engineName =
    flags.storageEngine ?? fromVariable(io.env, "RAFTKV_STORAGE_ENGINE", parseEngine) ?? engineNames[0];
  if (!initialCluster.some((member) => member.name === name)) {
    throw new RaftKvError("CONFIG_INVALID", `--name ${name} is not among the members of --initial-cluster`);
  }
  const { sha256, facts } = await verifyBackup(file, new ProgressLine(io.stderr, "verified"));
  const cluster = restoredClusterIdentity(sha256, clusterToken, initialCluster);
  const memberId = cluster.members.find((member) => member.name === name)?.memberId ?? "";
  const progress = new ProgressLine(io.stderr, "restored");
  const restored = await restoreStore(backupPieces(file), {
    directory,
    engineName,
    clusterId: cluster.clusterId,
    memberId,
    configuration: bootstrapConfiguration(cluster),
    logger: silentLogger,
    onProgress: (bytes) => progress.update(bytes),
    explain: (error) => explainDiskFailure(error, directory, commandAdvice),
  }).finally(() => progress.end());
  if (restored.sha256 !== sha256) throw new RaftKvError("BACKUP_CORRUPT", `${file} was changed while it was read`);
  const result = { directory, clusterId: cluster.clusterId, memberId, revision: facts.revision };
  if (output === "json") io.stdout.write(renderJson(result));
  else
    io.stdout.write(
      `${directory}: member ${name} of the new cluster ${cluster.clusterId}, revision ${facts.revision}\n`,
    );
  return exitCodes.ok;
}

function parseEngine(text: string): Parsed<EngineName> {
  const found = engineNames.find((name) => name === text);
  return found === undefined ? unparsed(`it must be one of ${engineNames.join(", ")}`) : parsed(found);
}

/** Asks one member after the other until one begins to answer. */
async function openFirst({ endpoints, timeoutMs }: ClientTarget, stale: boolean): Promise<BackupStream> {
  let last: unknown;
  for (const endpoint of endpoints) {
    try {
      return await openBackupStream(endpoint, { stale, timeoutMs });
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      last = error;
    }
  }
  throw last;
}

async function* counted(pieces: AsyncIterable<Uint8Array>, total: number, io: CliIo): AsyncGenerator<Uint8Array> {
  const progress = new ProgressLine(io.stderr, "received");
  let bytes = 0;
  try {
    for await (const piece of pieces) {
      bytes += piece.length;
      progress.update(bytes, total);
      yield piece;
    }
  } finally {
    progress.end();
  }
}

function show(io: CliIo, output: string, file: string, { facts, totals, sha256, stateHash }: ReadBackup): number {
  const cells = cellsOf(facts);
  const result = { file, ...cells, rows: totals.rows, bytes: totals.bytes, sha256, stateHash };
  if (output === "json") io.stdout.write(renderJson(result));
  else {
    const rows = Object.entries(result).map(([what, value]) => [what, String(value)]);
    io.stdout.write(renderTable(["BACKUP", "WHOLE"], rows));
  }
  return exitCodes.ok;
}

function cellsOf({ clusterId, memberName, version, timeMs, base, revision }: BackupFacts) {
  const time = new Date(timeMs).toISOString();
  return { revision, index: base.index, term: base.term, clusterId, member: memberName, version, time };
}

function outputOption(): Option {
  return new Option("-o, --output <FORMAT>", "how to write the result").choices(["table", "json"]).default("table");
}
