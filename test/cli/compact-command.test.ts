import { expect, test } from "vitest";
import { MaintenanceService } from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import { startFakeCluster } from "../client/fake-cluster.ts";
import { deadAddress, on } from "../client/fake-member.ts";
import { cli } from "./fake-cli.ts";

const { createSnapshot } = MaintenanceService.method;

/** Members that know each other, and what each was asked to keep. */
async function cluster(size: number) {
  const asked: (bigint | undefined)[] = [];
  const members = await startFakeCluster(size, (_, position) => [
    on(createSnapshot, ({ trailingEntries }) => {
      asked.push(trailingEntries);
      return { firstIndex: BigInt(100 * (position + 1)), lastIndex: 900n, logSizeBytes: 2n ** 21n };
    }),
  ]);
  return { members, asked };
}

function compact(endpoints: string | undefined, ...more: string[]) {
  return cli(["compact", "--endpoints", endpoints ?? "", "--timeout", "2s", ...more]);
}

test("compacts the log of every member, whichever is asked", async () => {
  const { members, asked } = await cluster(3);
  const { code, stdout, stderr } = await compact(members[1]?.clientAddress);
  expect([code, stderr]).toEqual([0, ""]);
  expect(
    stdout
      .trimEnd()
      .split("\n")
      .map((row) => row.split(/ {2,}/)),
  ).toEqual([
    ["NAME", "ID", "FIRST", "LAST", "LOG_SIZE", "PROBLEM"],
    ["n1", "1".repeat(16), "100", "900", "2.00 MiB", "-"],
    ["n2", "2".repeat(16), "200", "900", "2.00 MiB", "-"],
    ["n3", "3".repeat(16), "300", "900", "2.00 MiB", "-"],
  ]);
  expect(asked).toEqual([undefined, undefined, undefined]);
});

test("compacts one member, by name or id, and tells it how much to keep", async () => {
  const { members, asked } = await cluster(3);
  for (const which of ["n2", "2".repeat(16)]) {
    const { code, stdout } = await compact(members[0]?.clientAddress, which, "--trailing-entries", "0", "-o", "json");
    const member = { name: "n2", id: "2".repeat(16), first: 200, last: 900, logSizeBytes: 2097152, problem: "" };
    expect([code, JSON.parse(stdout)]).toEqual([0, { members: [member] }]);
  }
  expect(asked).toEqual([0n, 0n]);
});

test("a member that is not there exits with 3, one that cannot be asked with 1", async () => {
  const { members, asked } = await cluster(1);
  const unknown = await compact(members[0]?.clientAddress, "n9");
  expect([unknown.code, unknown.stderr]).toEqual([3, 'raftkv: no member has the name or id "n9"\n']);
  members.push({ name: "n2", memberId: "2".repeat(16), clientAddress: await deadAddress() });
  const { code, stdout } = await compact(members[0]?.clientAddress, "-o", "json");
  expect([code, asked.length]).toEqual([1, 1]);
  expect(JSON.parse(stdout).members).toMatchObject([
    { name: "n1", first: 100 },
    { name: "n2", first: null, logSizeBytes: null, problem: expect.stringContaining("cannot connect") },
  ]);
});

test("a count that is none is refused", async () => {
  const { code, stderr } = await compact("localhost:1", "--trailing-entries", "-1");
  expect([code, stderr]).toEqual([2, expect.stringContaining("a count is a whole number")]);
});
