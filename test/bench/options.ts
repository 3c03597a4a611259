import { parseArgs } from "node:util";

/** Which system a point is measured on. */
export type SystemName = "raftkv" | "etcd";

/** One cell of the matrix. */
export interface LoadPoint {
  readonly operation: "put" | "get";
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly inFlight: number;
  /** Whom the connections go to; "spread" gives each member its share. */
  readonly place: "leader" | "follower" | "spread";
}

/** What a run measures and for how long. */
export interface BenchOptions {
  readonly systems: readonly SystemName[];
  readonly points: readonly LoadPoint[];
  readonly warmUpSeconds: number;
  readonly measuredSeconds: number;
  /** Bytes of each value. */
  readonly valueBytes: number;
  /** Part of the names of the result files. */
  readonly label: string;
  /** Profile the leader under load instead of measuring the matrix. */
  readonly profile: boolean;
  /** Use the own load generator even where h2load is installed. */
  readonly ownGenerator: boolean;
}

/** Help of the command line, with the defaults of {@link parseOptions}. */
export const usage = `Usage: npm run bench -- [options]

  --systems LIST     raftkv,etcd by default; etcd is left out where it is not on the PATH
  --operations LIST  put,get by default
  --quick            fewer points, 2 s each instead of 5 s: within 90 s
  --profile          CPU profile of the leader under Put and under Get (8 x 64), top ten functions; no matrix
  --own-generator    do not use h2load
  --label NAME       part of the result's file name; "full", "quick" or "profile" by default
  --seconds N        seconds per point
  --big              a large store on each engine instead of the matrix: see npm run bench -- --big --help
`;

/** A load without what it asks for. */
export type Load = Omit<LoadPoint, "operation">;

/** Load under which a system is warmed up and profiled. */
export const busyLoad: Load = { connections: 8, inFlight: 64, place: "spread" };
const fullLoads: readonly Load[] = [
  { connections: 1, inFlight: 1, place: "leader" },
  { connections: 1, inFlight: 1, place: "follower" },
  { connections: 4, inFlight: 16, place: "spread" },
  busyLoad,
  { connections: 16, inFlight: 64, place: "spread" },
];
const quickLoads: readonly Load[] = [{ connections: 1, inFlight: 1, place: "leader" }, busyLoad];

/** Reads the command line; throws on unknown options. `undefined` asks for {@link usage}. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      "own-generator": { type: "boolean", default: false },
      systems: { type: "string", default: "raftkv,etcd" },
      operations: { type: "string", default: "put,get" },
      label: { type: "string" },
      seconds: { type: "string" },
    },
  });
  if (values.help) return undefined;
  const operations = values.operations.split(",").map((name) => oneOf(name, ["put", "get"] as const));
  const loads = values.profile ? [busyLoad] : values.quick ? quickLoads : fullLoads;
  return {
    systems: values.systems.split(",").map((name) => oneOf(name, ["raftkv", "etcd"] as const)),
    points: operations.flatMap((operation) => loads.map((load) => ({ operation, ...load }))),
    warmUpSeconds: values.quick ? 1 : 2,
    measuredSeconds: values.seconds === undefined ? (values.quick ? 2 : 5) : positive(values.seconds),
    valueBytes: 256,
    label: fileNamePart(values.label ?? (values.profile ? "profile" : values.quick ? "quick" : "full")),
    profile: values.profile,
    ownGenerator: values["own-generator"],
  };
}

function oneOf<T extends string>(given: string, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === given);
  if (found === undefined) throw new Error(`"${given}" is none of ${allowed.join(", ")}`);
  return found;
}

function positive(given: string): number {
  const seconds = Number(given);
  if (!(seconds > 0 && seconds <= 60)) throw new Error(`--seconds is ${given}; it must lie between 0 and 60`);
  return seconds;
}

function fileNamePart(given: string): string {
  if (!/^[\w.-]{1,40}$/.test(given))
    throw new Error(`--label "${given}" must be 1 to 40 letters, digits, ".", "_" or "-"`);
  return given;
}

/** A point's load as the tables show it, such as "8 x 64" or "1 x 1, leader". */
export function describeLoad(point: LoadPoint): string {
  const load = `${point.connections} x ${point.inFlight}`;
  return point.place === "spread" ? load : `${load}, ${point.place}`;
}
