import { readFileSync } from "node:fs";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { allReasons, statusOf, type Reason } from "../../src/server/status.ts";

const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
const headings = [...text.matchAll(/^### `([A-Z_]+)`$/gm)].map((match) => match[1]);
const rows = new Map([...text.matchAll(/^\| \[`([A-Z_]+)`\]\([^)]*\) \| ([A-Z_]+) \|/gm)].map((match) => [match[1], match[2]]));

test("every reason has a heading, and every heading of a call's errors is a reason", () => {
  expect([...headings].sort()).toEqual([...allReasons].sort());
});

test.each(allReasons)("%s stands in the table with the code that it is sent with", (reason) => {
  const { code } = statusOf({ reason: reason as Reason, message: "" });
  expect(rows.get(reason)).toBe(status[code]);
});
