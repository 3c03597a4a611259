import { describe, expect, test } from "vitest";
import { describeRow } from "../../src/cli/describe-row.ts";
import { encodePairRow } from "../../src/kv/pair.ts";
import { pairKey } from "../../src/kv/row-keys.ts";
import { encodeCommand, put, utf8 } from "../kv/driver.ts";

const head = { index: 7, term: 2, timeMs: 0 };

describe("a row on a line", () => {
  test("an entry with what it asks for", () => {
    const entry = { ...head, kind: "command", command: encodeCommand(put("a\n", "b")) } as const;
    const { line, json } = describeRow({ space: "log", entry });
    expect(line).toBe('log 7@2 command 1970-01-01T00:00:00.000Z put "a\\x0a"');
    expect(json).toMatchObject({ index: 7, operation: { kind: "put", key: "YQo=" } });
  });

  test("an entry of a machine that it does not know, in hexadecimal", () => {
    const entry = { ...head, kind: "command", command: Buffer.alloc(70, 0xfe) } as const;
    const { line } = describeRow({ space: "log", entry });
    expect(line).toBe(`log 7@2 command 1970-01-01T00:00:00.000Z ${"fe".repeat(64)}... (70 bytes)`);
    expect(describeRow({ space: "log", entry: { ...head, kind: "noop" } }).line).toBe("log 7@2 noop");
  });

  test("a pair with its revision, another row in hexadecimal", () => {
    const value = { data: utf8("v"), text: true };
    const pair = encodePairRow({ value, createRevision: 3n, modRevision: 5n, version: 2n });
    const { line, json } = describeRow({ space: "state", generation: 1, key: pairKey(utf8("k")), value: pair });
    expect(line).toBe('state 1 pair "k" revision 5 version 2 "v"');
    expect(json).toMatchObject({ key: "aw==", pair: { modRevision: "5", value: { data: "dg==", text: true } } });
    const other = describeRow({ space: "state", generation: 0, key: Buffer.from("zz"), value: Buffer.of(1) });
    expect(other.line).toBe("state 0 row 7a7a 01");
    expect(other.json).toEqual({ space: "state", generation: 0, key: "eno=", value: "AQ==" });
  });

  test("damage in its place", () => {
    const row = { space: "log", damaged: "log entry 3 is damaged" } as const;
    expect(describeRow(row).line).toBe("log DAMAGED log entry 3 is damaged");
  });
});
