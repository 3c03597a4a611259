import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess } from "../lib/child-process.ts";
import { type LoadGenerator, type LoadResult, type LoadTarget, mergeResults } from "./load-generator.ts";

/** What an own load process reads from its input file. */
export interface WorkerInput extends Omit<LoadTarget, "frame"> {
  readonly frameBase64: string;
  readonly seconds: number;
}

/** What an own load process leaves in its output file. */
export interface WorkerOutput extends Omit<LoadResult, "latenciesUs"> {
  readonly latenciesUs: readonly number[];
}

/**
 * Loads with one Node process per target, for machines without h2load. It takes several times h2load's processor time:
 * its figures compare two systems on one machine, they are not the members' limit.
 */
export const ownGenerator: LoadGenerator = async (targets, seconds) => {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-load-"));
  try {
    return mergeResults(
      await Promise.all(targets.map((target, position) => load(target, seconds, join(directory, String(position))))),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
};

async function load({ frame, ...target }: LoadTarget, seconds: number, files: string): Promise<LoadResult> {
  const input: WorkerInput = { ...target, seconds, frameBase64: frame.toString("base64") };
  writeFileSync(`${files}.in`, JSON.stringify(input));
  const worker = join(import.meta.dirname, "own-generator-worker.ts");
  const args = [...process.execArgv, worker, `${files}.in`, `${files}.out`];
  const started = await startProcess(process.execPath, args);
  const timer = setTimeout(() => started.signal("SIGKILL"), (seconds + 20) * 1_000);
  const { code } = await started.exited;
  clearTimeout(timer);
  if (code !== 0) throw new Error(`load process ended with ${code}:\n${started.output.join("\n")}`);
  const output = JSON.parse(readFileSync(`${files}.out`, "utf8")) as WorkerOutput;
  return { ...output, latenciesUs: Float64Array.from(output.latenciesUs) };
}
