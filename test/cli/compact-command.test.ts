import { afterEach, expect, test } from "vitest";
import { ClusterService } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { MaintenanceService } from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import { deadAddress, on, startFakeMember } from "../client/fake-member.ts";
import { cli } from "./fake-cli.ts";

const { getStatus, listMembers } = ClusterService.method;
const { createSnapshot } = MaintenanceService.method;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

interface FakeMember {
  readonly name: string;
  readonly memberId: string;
  clientAddress: string;
}

/** Members that know each other, and what each was asked to keep. */
async function cluster(size: number) {
  const members: FakeMember[] = [];
  const asked: (bigint | undefined)[] = [];
  for (let n = 1; n <= size; n++) {
    const member = { name: `n${n}`, memberId: `${n}`.repeat(16), clientAddress: "" };
    members.push(member);
    const { address, stop } = await startFakeMember([
      on(getStatus, () => ({ header: { memberId: member.memberId }, ...member })),
      on(listMembers, () => ({ members })),
      on(createSnapshot, ({ trailingEntries }) => {
        asked.push(trailingEntries);
        return { firstIndex: BigInt(100 * n), lastIndex: 900n, logSizeBytes: 2n ** 21n };
      }),
    ]);
    member.clientAddress = address;
    stops.push(stop);
  }
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
