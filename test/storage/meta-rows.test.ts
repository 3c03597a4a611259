import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HardStateSchema } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { unwrapRow } from "../../src/storage/checksummed-row.ts";
import { hardStateRow, readHardState } from "../../src/storage/meta-rows.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";

test.each([
  { term: 0, votedFor: null, commitIndex: 0 },
  { term: 1, votedFor: "0123456789abcdef", commitIndex: 0 },
  { term: 300, votedFor: null, commitIndex: 70_000 },
  { term: Number.MAX_SAFE_INTEGER, votedFor: "é", commitIndex: Number.MAX_SAFE_INTEGER },
])("a hard state is written as its schema says, and read back: %j", (hardState) => {
  const row = hardStateRow(hardState);
  if (row.type !== "put") throw new Error("a hard state is put");
  const { term, votedFor, commitIndex } = hardState;
  const message = { term: BigInt(term), votedFor: votedFor ?? "", commitIndex: BigInt(commitIndex) };
  const content = unwrapRow(metaKeys.hardState, row.value, "hard state row");
  expect(Buffer.from(content)).toEqual(Buffer.from(toBinary(HardStateSchema, create(HardStateSchema, message))));
  expect(readHardState(row.value)).toEqual(hardState);
});
