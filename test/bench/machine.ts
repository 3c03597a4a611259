import { execFileSync } from "node:child_process";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { quantile } from "./statistics.ts";

/** Where the figures were taken. */
export interface Machine {
  readonly cpuModel: string;
  readonly cpuCount: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly nodeVersion: string;
  readonly etcdVersion: string | undefined;
  readonly h2loadVersion: string | undefined;
  /** Median of a 256-byte append with fdatasync in the directory that holds the members' data, in microseconds. */
  readonly fsyncP50Us: number;
  readonly fsyncP99Us: number;
  /** Processes that wanted to run in the minute before: with more than about 0.3, others took part of the time. */
  readonly loadBefore: number;
}

/** Describes this machine; measures fdatasync for about 300 appends. */
export function describeMachine(): Machine {
  const processors = cpus();
  const fsync = measureFsync();
  return {
    cpuModel: processors[0]?.model ?? "unknown",
    cpuCount: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    nodeVersion: process.version,
    etcdVersion: firstLine("etcd", /etcd Version: (\S+)/),
    h2loadVersion: firstLine("h2load", /nghttp2\/(\S+)/),
    fsyncP50Us: Math.round(quantile(fsync, 0.5)),
    fsyncP99Us: Math.round(quantile(fsync, 0.99)),
    loadBefore: loadavg()[0] ?? 0,
  };
}

function firstLine(program: string, pattern: RegExp): string | undefined {
  try {
    return pattern.exec(execFileSync(program, ["--version"], { encoding: "utf8", stdio: "pipe" }))?.[1];
  } catch {
    return undefined;
  }
}

function measureFsync(): Float64Array {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-fsync-"));
  try {
    const file = openSync(join(directory, "probe"), "w");
    const block = Buffer.alloc(256, "x");
    const samples = Float64Array.from({ length: 300 }, () => {
      const start = performance.now();
      writeSync(file, block);
      fdatasyncSync(file);
      return (performance.now() - start) * 1_000;
    });
    closeSync(file);
    return samples.sort();
  } finally {
    rmSync(directory, { recursive: true });
  }
}
