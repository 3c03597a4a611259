import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { crc32c } from "@node-rs/crc32";
import { expect, test } from "vitest";
import * as kvRows from "../../src/kv/row-keys.ts";
import {
  backupFormatVersion,
  backupMagic,
  encodeFrame,
  encodeRows,
  frameHeadBytes,
  frameKinds,
  framePayloadBytesMax,
} from "../../src/storage/backup-format.ts";
import { formatVersions } from "../../src/storage/meta-rows.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";
import { slotBytes } from "../../src/storage/watermark.ts";

const text = readFileSync(resolve(import.meta.dirname, "../../docs/storage-format.md"), "utf8");

/** First cells of the rows of all tables. */
const cells = text
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.split("|")[1]?.trim() ?? "");

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

test("docs/storage-format.md describes every row about the store, and every version that is read", () => {
  for (const key of Object.values(metaKeys)) expect(cells).toContain(`\`${hex(key)}\``);
  const versions = cells.filter((cell) => /^\d$/.test(cell)).slice(0, formatVersions.newest);
  expect(versions).toEqual(["1", "2"]);
  expect(text).toContain(`Two slots of ${slotBytes} bytes`);
});

test("docs/storage-format.md describes every kind of row of the key-value state", () => {
  const id = Uint8Array.of(0x41);
  const keys = [
    kvRows.summaryKey,
    kvRows.pairKey(id),
    kvRows.sessionKey(id),
    kvRows.answerKey(1, 1n),
    kvRows.expiryKey(1, id),
    kvRows.endedSessionKey(id),
    kvRows.endedPlaceKey(1),
    kvRows.leftoverKey(1),
  ];
  for (const key of keys) {
    const prefix = `\`${hex(key.subarray(0, 1))}\``;
    expect(cells.filter((cell) => cell.startsWith(prefix))).toHaveLength(1);
  }
});

test("docs/storage-format.md describes a backup file as it is written and read", () => {
  const section = text.split("## Backup file")[1] ?? "";
  expect(section).toContain(`of\n${backupMagic.length} bytes, \`${backupMagic.toString("latin1")}\``);
  expect(section).toContain(`format version (${backupFormatVersion})`);
  expect(section).toContain(`at most ${framePayloadBytesMax / 1024 / 1024} MiB`);
  const kinds = Object.entries(frameKinds).map(([name, kind]) => `${kind} ${name}`);
  expect(section).toContain(`kind: ${kinds.join(", ")}`);
  for (const name of Object.keys(frameKinds)) expect(section).toContain(`\n| ${name} |`);

  // A frame, taken apart by the offsets that the table tells.
  const frame = encodeFrame(frameKinds.rows, encodeRows([[Buffer.from("key"), Buffer.from("value")]]));
  const offsets = [...section.matchAll(/^\| (\d+) \| (\d*) ?\| /gm)].map(([, offset, bytes]) => [offset, bytes]);
  expect(offsets).toEqual([
    ["0", "4"],
    ["4", "1"],
    ["5", "4"],
    ["9", ""],
  ]);
  expect(frame.readUInt32BE(0)).toBe(crc32c(frame.subarray(4)));
  expect(frame.readUInt8(4)).toBe(frameKinds.rows);
  expect(frame.readUInt32BE(5)).toBe(frame.length - frameHeadBytes);
  expect(frame.subarray(9).toString("latin1")).toBe("\0\0\0\x03\0\0\0\x05keyvalue");
});
