import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadGenerator } from "./load-generator.ts";
import { measurePoint, warmUpSystem } from "./measure-point.ts";
import { type BenchOptions, describeLoad, type LoadPoint } from "./options.ts";
import { startRaftkv } from "./raftkv-system.ts";
import { renderTopFunctions, type Window } from "./top-functions.ts";

/**
 * Loads fresh members that write CPU profiles, and tells the leader's top ten functions as Markdown.
 * Who will lead is not known at the start, so all members are profiled; the rate is that of profiled members.
 */
export async function profileLeader(point: LoadPoint, generate: LoadGenerator, options: BenchOptions): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-profile-"));
  try {
    const startedAt = performance.now();
    const system = await startRaftkv((name) => ["--cpu-prof", `--cpu-prof-dir=${join(directory, name)}`]);
    const sinceStart = () => performance.now() - startedAt;
    let window: Window;
    let rate: number;
    try {
      await warmUpSystem(system, generate, options);
      const fromMs = sinceStart();
      ({ ratePerSecond: rate } = await measurePoint(system, point, generate, options));
      window = { fromMs, toMs: sinceStart() };
    } finally {
      await system.stop();
    }
    const files = readdirSync(join(directory, system.leaderName)).filter((name) => name.endsWith(".cpuprofile"));
    const [file] = files;
    if (file === undefined) throw new Error(`${system.leaderName} left no CPU profile`);
    const title = `Leader under ${point.operation} ${describeLoad(point)}, ${rate.toFixed(0)}/s while profiled`;
    return renderTopFunctions(title, join(directory, system.leaderName, file), window);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
