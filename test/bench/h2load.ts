import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess } from "../lib/child-process.ts";
import { grpcHeaders } from "./grpc-wire.ts";
import { type LoadGenerator, type LoadResult, type LoadTarget, mergeResults } from "./load-generator.ts";

/**
 * Loads with one h2load process per target. h2load sees HTTP status only, and every gRPC answer is 200: whoever calls
 * this has to check in another way that the requests took effect.
 */
export const h2loadGenerator: LoadGenerator = async (targets, seconds) => {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-h2load-"));
  try {
    return mergeResults(
      await Promise.all(targets.map((target, position) => load(target, seconds, join(directory, String(position))))),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
};

async function load(target: LoadTarget, seconds: number, files: string): Promise<LoadResult> {
  writeFileSync(`${files}.request`, target.frame);
  const shape = ["-D", String(seconds), "-c", String(target.connections), "-m", String(target.inFlight), "-t", "1"];
  const headers = Object.entries(grpcHeaders).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const data = ["-d", `${files}.request`, "--log-file", `${files}.log`];
  const started = await startProcess("h2load", [
    ...shape,
    ...headers,
    ...data,
    `http://${target.address}${target.path}`,
  ]);
  const timer = setTimeout(() => started.signal("SIGKILL"), (seconds + 20) * 1_000);
  const { code } = await started.exited;
  clearTimeout(timer);
  const report = started.output.join("\n");
  if (code !== 0) throw new Error(`h2load ended with ${code}:\n${report}`);
  return { ...readReport(report), latenciesUs: readLatencies(`${files}.log`) };
}

function readReport(report: string): Omit<LoadResult, "latenciesUs"> {
  const number = (pattern: RegExp) => {
    const found = pattern.exec(report)?.[1];
    if (found === undefined) throw new Error(`h2load printed nothing like ${pattern}:\n${report}`);
    return Number(found);
  };
  const done = number(/(\d+) done/);
  const completed = number(/status codes: (\d+) 2xx/);
  return {
    completed,
    started: number(/(\d+) started/),
    failed: done - completed + number(/(\d+) errored/) + number(/(\d+) timeout/),
    bodyBytes: number(/\((\d+)\) data/),
  };
}

/** Reads the third column, microseconds until the end of the response, of the rows with status 200. */
function readLatencies(file: string): Float64Array {
  const rows = readFileSync(file, "utf8").split("\n");
  return Float64Array.from(
    rows.flatMap((row) => {
      const [, status, microseconds] = row.split("\t");
      return status === "200" ? [Number(microseconds)] : [];
    }),
  );
}
