/** What the files of one folder of `src` may import; the lint rules and the import-direction test are both made from this. */
export interface Room {
  /** Folder below `src`. */
  readonly name: string;
  /** What it is, in a few words. */
  readonly purpose: string;
  /** Rooms, or the beginning of paths below `src`, whose values and types it may import. Its own files always are. */
  readonly imports: readonly string[];
  /** The same, of which it may import types only. */
  readonly typeImports?: readonly string[];
  /** npm packages it may import. */
  readonly packages: readonly string[];
  /** Whether it may import Node's own modules. */
  readonly node: boolean;
  /** Whether it must be deterministic: no clock, timer, randomness, process or promise. */
  readonly pure: boolean;
}

const runtime = { node: true, pure: false } as const;

/** Every room, lower ones first: a room imports only rooms above it in this list. */
export const rooms: readonly Room[] = [
  { name: "gen", purpose: "generated stubs", imports: [], packages: ["@bufbuild/protobuf"], node: false, pure: false },
  { name: "lib", purpose: "helpers without a better home", imports: [], packages: [], ...runtime },
  { name: "raft", purpose: "consensus core", imports: [], packages: [], node: false, pure: true },
  {
    name: "kv",
    purpose: "replicated state machine",
    imports: ["gen/raftkv/storage/"],
    packages: ["@bufbuild/protobuf"],
    node: false,
    pure: true,
  },
  {
    name: "storage",
    purpose: "durable log, hard state and state rows",
    imports: ["lib", "raft", "gen"],
    packages: ["@bufbuild/protobuf", "@node-rs/crc32", "classic-level", "@nxtedition/rocksdb"],
    ...runtime,
  },
  {
    name: "transport",
    purpose: "links between members",
    imports: ["lib", "raft", "gen", "storage/configuration-codec.ts"],
    typeImports: ["storage/engine-home.ts"],
    packages: ["@bufbuild/protobuf", "@grpc/grpc-js", "@node-rs/crc32"],
    ...runtime,
  },
  {
    name: "config",
    purpose: "options to a validated, frozen configuration",
    imports: ["lib", "raft/configuration.ts"],
    packages: ["yaml"],
    ...runtime,
  },
  {
    name: "replica",
    purpose: "the loop that drives core, store, state machine and links",
    imports: ["lib", "raft"],
    typeImports: ["storage", "transport"],
    packages: [],
    ...runtime,
  },
  {
    name: "server",
    purpose: "gRPC services, health, reflection, metrics",
    imports: ["lib", "raft", "replica", "gen", "config/address.ts", "config/member-name.ts"],
    typeImports: ["storage"],
    packages: ["@bufbuild/protobuf", "@grpc/grpc-js", "prom-client"],
    ...runtime,
  },
  {
    name: "client",
    purpose: "client library",
    imports: ["lib", "gen"],
    packages: ["@bufbuild/protobuf", "@grpc/grpc-js"],
    ...runtime,
  },
  {
    name: "cli",
    purpose: "the command, and the one place where the parts are put together",
    imports: ["lib", "raft", "kv", "storage", "transport", "config", "replica", "server", "client", "gen"],
    packages: ["@bufbuild/protobuf", "@grpc/grpc-js", "commander", "pino", "prom-client", "yaml"],
    ...runtime,
  },
];

/** Globals that a pure room must not name: the same input could then give another result. */
export const impureGlobals: readonly string[] = [
  "Date",
  "Promise",
  "console",
  "crypto",
  "fetch",
  "globalThis",
  "performance",
  "process",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
];
