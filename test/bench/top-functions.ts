import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

/** The parts of a V8 CPU profile that are read here. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** Node on top of the stack at each sample. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** A function and the time spent in itself, not in what it called. */
export interface FunctionTime {
  readonly name: string;
  readonly place: string;
  readonly selfMs: number;
  /** Share of the time in which the main thread was not idle. */
  readonly share: number;
}

/** Part of a profile, milliseconds since its start. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

const whole: Window = { fromMs: 0, toMs: Number.POSITIVE_INFINITY };

/**
 * The `count` functions with the most self time in a .cpuprofile file, idle time left out, and how long the thread was
 * busy. `window` is the whole profile by default.
 */
export function topFunctions(file: string, count: number, window = whole): { busyMs: number; top: FunctionTime[] } {
  const profile = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
  const keys = new Map(profile.nodes.map(({ id, callFrame }) => [id, describeFrame(callFrame)]));
  const selfUs = new Map<string, number>();
  let elapsedUs = 0;
  profile.samples.forEach((id, position) => {
    const deltaUs = profile.timeDeltas[position] ?? 0;
    elapsedUs += deltaUs;
    if (elapsedUs < window.fromMs * 1_000 || elapsedUs > window.toMs * 1_000) return;
    const key = keys.get(id) ?? "unknown\t";
    selfUs.set(key, (selfUs.get(key) ?? 0) + deltaUs);
  });
  selfUs.delete("(idle)\t");
  const busyUs = [...selfUs.values()].reduce((sum, each) => sum + each, 0);
  const top = [...selfUs]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([key, us]) => {
      const [name = "", place = ""] = key.split("\t");
      return { name, place, selfMs: us / 1_000, share: us / busyUs };
    });
  return { busyMs: busyUs / 1_000, top };
}

function describeFrame({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const shortUrl = url.replace(/^.*\/node_modules\//, "").replace(/^file:.*\/dist\//, "dist/");
  return `${functionName || "(anonymous)"}\t${url === "" ? "" : `${shortUrl}:${lineNumber + 1}`}`;
}

/** The top ten functions as a Markdown table; `window` is the whole profile by default. */
export function renderTopFunctions(title: string, file: string, window = whole): string {
  const { busyMs, top } = topFunctions(file, 10, window);
  const rows = top.map(
    ({ name, place, selfMs, share }) =>
      `| ${(share * 100).toFixed(1)} % | ${selfMs.toFixed(0)} | \`${name}\` | ${place === "" ? "" : `\`${place}\``} |`,
  );
  const header = ["| self | ms | function | where |", "| ---: | ---: | --- | --- |"];
  return [`${title} (main thread busy for ${busyMs.toFixed(0)} ms)`, "", ...header, ...rows, ""].join("\n");
}

const [script = "", ...files] = process.argv.slice(1);
if (import.meta.url === pathToFileURL(script).href) {
  for (const file of files) process.stdout.write(`${renderTopFunctions(basename(file), file)}\n`);
}
