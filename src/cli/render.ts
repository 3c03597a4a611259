import type { Entry, Value } from "../client/entry.ts";

/** How a command writes its result. */
export type OutputFormat = "table" | "json" | "value";

/** Lines of columns, each as wide as its widest cell, under a header. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  return [header, ...rows]
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** One line of JSON. */
export function renderJson(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** A number of bytes for people, with three digits: 12.3 MiB. */
export function renderBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1024;
  const digits = unit === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${size.toFixed(digits)} ${units[unit] ?? ""}`;
}

/** A value on one line: bytes in base64, text with control characters as a JSON string. */
export function renderCell(value: Value): string {
  if (typeof value !== "string") return `base64:${Buffer.from(value).toString("base64")}`;
  return /\p{Cc}/u.test(value) ? JSON.stringify(value) : value;
}

/** A pair as JSON: text as `value`, bytes as `binaryValue` in base64, as in the JSON of the API. */
export function entryJson(entry: Entry | null): unknown {
  if (entry === null) return null;
  const { key, value, createRevision, modRevision, version } = entry;
  const payload = typeof value === "string" ? { value } : { binaryValue: Buffer.from(value).toString("base64") };
  return { key, ...payload, createRevision, modRevision, version };
}
