import { dirname, join } from "node:path/posix";
import { describe, expect, test } from "vitest";
import { impureGlobals, type Room, rooms } from "../../scripts/rooms.ts";
import { type ProjectFile, sourceFiles } from "./source-files.ts";
import { codeOf, type Import, importsOf } from "./source-text.ts";

/** Whether `path`, below `src`, is in the room or begins as `target` says. */
const reaches = (path: string, target: string) =>
  path === target || path.startsWith(target.endsWith("/") ? target : `${target}/`);

function isAllowed(room: Room, path: string, { specifier, typeOnly }: Import): boolean {
  if (specifier.startsWith("node:")) return room.node;
  if (!specifier.startsWith(".")) {
    return room.packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  }
  const target = join(dirname(path), specifier).replace(/^src\//, "");
  const targets = [room.name, ...room.imports, ...(typeOnly ? (room.typeImports ?? []) : [])];
  return targets.some((each) => reaches(target, each));
}

const roomOf = (path: string) => rooms.find(({ name }) => path.startsWith(`src/${name}/`));

function violations({ path, text }: ProjectFile): string[] {
  const room = roomOf(path);
  if (room === undefined) return [`${path} is in no room of scripts/rooms.ts`];
  return importsOf(text)
    .filter((each) => !isAllowed(room, path, each))
    .map(({ specifier, typeOnly }) => `${path} may not import ${typeOnly ? "types of " : ""}${specifier}`);
}

describe("imports", () => {
  test("go only where the table of rooms lets them", () => {
    expect(sourceFiles.flatMap(violations)).toEqual([]);
  });

  test.each([
    ["src/raft/a.ts", 'import { assert } from "../lib/assert.ts";'],
    ["src/raft/a.ts", 'import { readFileSync } from "node:fs";'],
    ["src/raft/a.ts", 'export type { Row } from "../storage/storage-engine.ts";'],
    ["src/kv/a.ts", 'import type {\n  Entry,\n} from "../raft/entry.ts";'],
    ["src/kv/a.ts", 'import { KvService } from "../gen/raftkv/v1/kv_service_pb.ts";'],
    ["src/replica/a.ts", 'import { GrpcTransport } from "../transport/grpc-transport.ts";'],
    ["src/transport/a.ts", 'import type { MemberStore } from "../storage/member-store.ts";'],
    ["src/config/a.ts", 'import { x } from "../raft/raft-node.ts";'],
    ["src/server/a.ts", 'import "../cli/serve.ts";'],
    ["src/lib/a.ts", 'const raft = await import("../raft/raft-node.ts");'],
    ["src/client/a.ts", 'import { Level } from "classic-level";'],
    ["src/attic/a.ts", ""],
  ])("of %s such as %j are refused", (path, text) => {
    expect(violations({ path, text })).toHaveLength(1);
  });

  test.each([
    ["src/raft/a.ts", 'import type { Entry } from "./entry.ts";'],
    ["src/kv/a.ts", 'import { Command } from "../gen/raftkv/storage/v1/storage_pb.ts";'],
    ["src/replica/a.ts", 'import type { PeerTransport } from "../transport/peer-transport.ts";'],
    ["src/transport/a.ts", 'import { encode } from "../storage/configuration-codec.ts";'],
    ["src/storage/a.ts", 'import { Level } from "classic-level";\nimport { open } from "node:fs/promises";'],
  ])("of %s such as %j are let through", (path, text) => {
    expect(violations({ path, text })).toEqual([]);
  });
});

describe("the table of rooms", () => {
  test("lists a room before those that import it, so that no two import each other", () => {
    const known: string[] = [];
    for (const room of rooms) {
      for (const target of [...room.imports, ...(room.typeImports ?? [])]) {
        expect(known, `${room.name} imports ${target}`).toContain(target.split("/")[0]);
      }
      known.push(room.name);
    }
  });

  test("keeps raft and kv pure and apart", () => {
    for (const name of ["raft", "kv"]) {
      const room = rooms.find((each) => each.name === name);
      expect(room).toMatchObject({ pure: true, node: false });
      expect(room?.imports.filter((target) => !target.startsWith("gen/raftkv/storage/"))).toEqual([]);
    }
  });
});

describe("a pure room", () => {
  const impure = new RegExp(
    `(?<![.\\w])(?:async|await|${impureGlobals.join("|")})(?!\\w|\\??:)|\\bMath\\.random\\b`,
    "g",
  );

  test("names no clock, timer, randomness, process or promise", () => {
    const pureFiles = sourceFiles.filter(({ path }) => roomOf(path)?.pure === true);
    const found = pureFiles.flatMap(({ path, text }) =>
      [...codeOf(text).matchAll(impure)].map(([word]) => `${path} names ${word}`),
    );
    expect(found).toEqual([]);
  });

  test.each(["const now = Date.now();", "await x;", "async () => {}", "Math.random()", "setTimeout(f, 1)"])(
    "could not have %j",
    (code) => {
      expect(codeOf(code)).toMatch(new RegExp(impure.source));
    },
  );
});
