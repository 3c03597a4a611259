import type { Measurement } from "./measure-point.ts";
import { describeLoad } from "./options.ts";
import { type BenchRun, describeRun } from "./results.ts";

const panel = { width: 440, height: 220, left: 60, top: 44, gap: 60 };
const colours = { raftkv: "#2f6fb2", etcd: "#c9772b" } as const;
const columns: readonly { readonly title: string; readonly value: (point: Measurement) => number }[] = [
  { title: "requests per second", value: (point) => point.ratePerSecond },
  { title: "p99 latency, ms", value: (point) => point.p99Us / 1_000 },
  { title: "CPU of three members per request, us", value: (point) => point.cpuUsPerRequest ?? 0 },
];

/** The run as an SVG picture: one row of bar charts per operation. */
export function renderSvg(run: BenchRun): string {
  const operations = [...new Set(run.measurements.map(({ operation }) => operation))];
  const width = panel.left + columns.length * (panel.width + panel.gap);
  const height = operations.length * (panel.height + 2 * panel.gap) + 90;
  const charts = operations.flatMap((operation, row) =>
    columns.map(({ title, value }, column) => {
      const points = run.measurements.filter((point) => point.operation === operation);
      const x = panel.left + column * (panel.width + panel.gap);
      const y = panel.top + row * (panel.height + 2 * panel.gap);
      return `<g transform="translate(${x} ${y})">${renderChart(`${operation}: ${title}`, points, value)}</g>`;
    }),
  );
  const note = describeRun(run)
    .split("\n")
    .map((line, index) => text(panel.left, height - 84 + index * 15, line, "start", "#555"));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...charts,
    ...note,
    "</svg>\n",
  ].join("\n");
}

function renderChart(title: string, points: readonly Measurement[], value: (point: Measurement) => number): string {
  const loads = [...new Set(points.map(describeLoad))];
  const systems = [...new Set(points.map(({ system }) => system))];
  const top = Math.max(...points.map(value), Number.MIN_VALUE);
  const slot = panel.width / loads.length;
  const bar = Math.min(40, (slot - 12) / systems.length);
  const bars = points.map((point) => {
    const tall = (value(point) / top) * (panel.height - 20);
    const middle = (loads.indexOf(describeLoad(point)) + 0.5) * slot;
    const x = middle + (systems.indexOf(point.system) - systems.length / 2) * bar;
    const y = panel.height - tall;
    const rectangle = `<rect x="${round(x)}" y="${round(y)}" width="${round(bar - 3)}" height="${round(tall)}" fill="${colours[point.system]}"/>`;
    return rectangle + text(x + bar / 2, y - 4, shortNumber(value(point)), "middle", "#333");
  });
  const labels = loads.map((load, index) => text((index + 0.5) * slot, panel.height + 16, load, "middle", "#333"));
  const legend = systems.map((system, index) =>
    text(panel.width - 110 + index * 60, -14, system, "start", colours[system]),
  );
  const axis = `<line x1="0" y1="${panel.height}" x2="${panel.width}" y2="${panel.height}" stroke="#999"/>`;
  return [text(0, -14, title, "start", "#000"), ...legend, axis, ...bars, ...labels].join("\n");
}

function text(x: number, y: number, content: string, anchor: "start" | "middle", colour: string): string {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${colour}">${escaped}</text>`;
}

function round(length: number): string {
  return length.toFixed(1);
}

function shortNumber(value: number): string {
  if (value >= 10_000) return `${(value / 1_000).toFixed(1)}k`;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}
