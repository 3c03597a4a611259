import { expect, test } from "vitest";
import { chooseOwner } from "../../src/cli/choose-owner.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";

const config = (flags: Readonly<Record<string, string>>) => resolveOptions({ flags, env: {} }).config;
const own = { id: "00000000000000a4", name: "n4", peerAddress: "h4:7001" };
const ids = { clusterId: "00000000000000c1", memberId: own.id, dataDirectoryId: "d".repeat(32) };
const joined = { ...ids, bootstrapConfiguration: { ...votersOnly([own]), voters: [] } };
const founded = { ...ids, bootstrapConfiguration: votersOnly([own]) };
const joining = { name: "n4", join: "127.0.0.1:1" };
const founding = { name: "n4", peerAddress: "127.0.0.1:7001" };

test.each([
  ["of one that joined, with join", joining, joined],
  ["of one that joined, with an initial cluster", founding, joined],
  ["of a founder, with join", joining, founded],
])("a directory %s is what it says", async (_, flags, stored) => {
  expect(await chooseOwner(config(flags), stored, silentLogger)).toMatchObject(ids);
});

test("a directory of another name is refused, naming both", async () => {
  const other = chooseOwner(config({ ...joining, name: "n5" }), joined, silentLogger);
  await expect(other).rejects.toMatchObject({
    code: "DIRECTORY_MISMATCH",
    message: "the directory is that of n4; it was opened as n5",
  });
});

test("a founder is who the initial cluster says, whatever its directory says", async () => {
  const empty = await chooseOwner(config(founding), undefined, silentLogger);
  expect(empty.bootstrapConfiguration.voters).toEqual([empty.memberId]);
  expect(await chooseOwner(config(founding), founded, silentLogger)).toEqual(empty);
});
