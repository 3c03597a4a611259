import { expect, test } from "vitest";
import { MaintenanceService } from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import { type FakeClusterMember, startFakeCluster } from "../client/fake-cluster.ts";
import { deadAddress, on, refusal } from "../client/fake-member.ts";
import { cli } from "./fake-cli.ts";

const { getHash } = MaintenanceService.method;

/** Members of which each has one of the hashes given (a digit, its state version behind it), and what was asked of them; `answer` may refuse. */
async function cluster(
  hashes: readonly string[],
  answer: (member: string, index: bigint | undefined) => void = () => {},
) {
  const asked: string[] = [];
  const members = await startFakeCluster(hashes.length, ({ name }, position) => {
    const [digit = "", version = "0"] = hashes[position] ?? "";
    const stateVersion = Number(version);
    return [
      on(getHash, ({ index }) => {
        asked.push(`${name} ${index ?? "new"}`);
        answer(name, index);
        return { index: index ?? 77n, revision: 5n, stateVersion, hash: digit.repeat(64), rows: 9n, sizeBytes: 2048n };
      }),
    ];
  });
  return { members, asked };
}

function check({ members }: { readonly members: readonly FakeClusterMember[] }, ...more: string[]) {
  return cli(["check", "hash", "--endpoints", members[0]?.clientAddress ?? "", "--timeout", "2s", ...more]);
}

test("takes one checkpoint and shows what every member has there", async () => {
  const given = await cluster(["a", "a", "a"]);
  const { code, stdout, stderr } = await check(given);
  expect([code, stderr]).toEqual([0, ""]);
  const rows = stdout.trimEnd().split("\n");
  expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
    ["NAME", "ID", "INDEX", "REVISION", "VERSION", "HASH", "ROWS", "SIZE", "PROBLEM"],
    ["n1", "1".repeat(16), "77", "5", "1", "a".repeat(16), "9", "2.00 KiB", "-"],
    ["n2", "2".repeat(16), "77", "5", "1", "a".repeat(16), "9", "2.00 KiB", "-"],
    ["n3", "3".repeat(16), "77", "5", "1", "a".repeat(16), "9", "2.00 KiB", "-"],
  ]);
  expect(given.asked.toSorted()).toEqual(["n1 77", "n1 new", "n2 77", "n3 77"]);
});

test("exits with 1 when two states differ", async () => {
  const given = await cluster(["a", "b", "a"]);
  const { code, stderr } = await check(given);
  expect([code, stderr]).toEqual([1, "raftkv: the states of the members differ at index 77\n"]);
  const json = await check(given, "-o", "json");
  expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
    1,
    { index: 77, agreed: false, members: [{ hash: "a".repeat(64) }, { hash: "b".repeat(64) }, { name: "n3" }] },
  ]);
});

test("calls no difference between two state versions one, and says that they are not compared", async () => {
  const upgrading = await cluster(["a", "a1", "b2"]);
  const { code, stderr } = await check(upgrading);
  expect([code, stderr]).toEqual([
    1,
    "raftkv: members of the state versions 1 and 2 are not compared with each other; those of one version have the same state\n",
  ]);
  const json = await check(upgrading, "-o", "json");
  expect(JSON.parse(json.stdout)).toMatchObject({
    agreed: false,
    members: [{ stateVersion: 1 }, { stateVersion: 1 }, { stateVersion: 2 }],
  });
  const wrong = await check(await cluster(["a", "a1", "b2", "c2"]));
  expect([wrong.code, wrong.stderr]).toEqual([1, "raftkv: the states of the members differ at index 77\n"]);
});

test("exits with 1 when a member cannot be asked, and names it", async () => {
  const given = await cluster(["a", "a"]);
  given.members.push({ name: "n3", memberId: "3".repeat(16), clientAddress: await deadAddress() });
  const { code, stdout, stderr } = await check(given);
  expect([code, stderr]).toEqual([1, "raftkv: not compared: n3; the others have the same state\n"]);
  expect(stdout).toMatch(/n3 .*cannot connect/);
});

test("asks again while a member is still reading, and not where it will never know", async () => {
  let late = 0;
  const given = await cluster(["a", "a", "a"], (member, index) => {
    if (member === "n2" && index !== undefined && late++ < 2) throw refusal("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED");
    if (member === "n3") throw refusal("FAILED_PRECONDITION", "HASH_UNKNOWN");
  });
  const { code, stderr } = await check(given);
  expect([code, stderr]).toEqual([1, "raftkv: not compared: n3; the others have the same state\n"]);
  expect(given.asked.filter((each) => each === "n2 77")).toHaveLength(3);
  expect(given.asked.filter((each) => each.startsWith("n3"))).toHaveLength(1);
});

test("says so when nobody takes a checkpoint in time", async () => {
  const given = await cluster(["a"], () => {
    throw refusal("UNAVAILABLE", "NO_LEADER", 60_000);
  });
  const { code, stdout, stderr } = await check(given, "--timeout", "9s");
  expect([code, stdout, stderr]).toEqual([5, "", expect.stringContaining("refused with UNAVAILABLE")]);
});
