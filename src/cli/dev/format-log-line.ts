/** Fields of a log line that a reader of several members' logs does not need. */
const hidden = ["level", "time", "member", "msg", "err"];

/** A member's JSON log line for people: time, level, message, then the facts. Anything else stays as it is. */
export function formatLogLine(line: string): string {
  const fields = parseObject(line);
  if (fields === undefined) return line;
  const { level, time, msg, err } = fields;
  if (typeof msg !== "string") return line;
  const clock = typeof time === "string" ? time.slice(11, 23) : "";
  const facts = Object.entries(fields)
    .filter(([name]) => !hidden.includes(name))
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const { stack } = isRecord(err) ? err : {};
  return [clock, String(level).padEnd(5), msg, ...facts, ...(typeof stack === "string" ? [`\n${stack}`] : [])].join(
    " ",
  );
}

/** A decoded line, or a part of one. */
interface LogObject {
  readonly [field: string]: unknown;
}

function parseObject(line: string): LogObject | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is LogObject {
  return typeof value === "object" && value !== null;
}
