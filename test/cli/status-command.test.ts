import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, expect, test } from "vitest";
import {
  ClusterService,
  type GetStatusResponseSchema,
  GetStatusResponse_RaftRole as Role,
} from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { ReadConsistency } from "../../src/gen/raftkv/v1/common_pb.ts";
import { deadAddress, on, startFakeMember } from "../client/fake-member.ts";
import { cli } from "./fake-cli.ts";

const { getStatus, listMembers } = ClusterService.method;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

type StatusInit = MessageInitShape<typeof GetStatusResponseSchema>;

interface FakeMember {
  readonly name: string;
  readonly memberId: string;
  clientAddress: string;
}

/** Members that know each other; the first leads. */
async function cluster(
  size: number,
  facts: { role?: Role; problems?: string[] } & Pick<StatusInit, "receivingSnapshot" | "sendingSnapshots"> = {},
): Promise<FakeMember[]> {
  const members: FakeMember[] = [];
  for (let n = 1; n <= size; n++) {
    const member = { name: `n${n}`, memberId: `${n}`.repeat(16), clientAddress: "" };
    members.push(member);
    const { address, stop } = await startFakeMember([
      on(getStatus, () => ({
        header: { memberId: member.memberId, leaderId: "1".repeat(16), raftTerm: 3n },
        name: member.name,
        role: facts.role ?? (n === 1 ? Role.LEADER : Role.FOLLOWER),
        commitIndex: 10n,
        appliedIndex: 9n,
        firstIndex: 4n,
        problems: facts.problems ?? [],
        ...("receivingSnapshot" in facts && { receivingSnapshot: facts.receivingSnapshot }),
        ...(facts.sendingSnapshots && { sendingSnapshots: facts.sendingSnapshots }),
        clientAddress: member.clientAddress,
      })),
      on(listMembers, ({ read }) => {
        expect(read?.consistency).toBe(ReadConsistency.STALE);
        return { members };
      }),
    ]);
    member.clientAddress = address;
    stops.push(stop);
  }
  return members;
}

function status(endpoints: string, ...more: string[]) {
  return cli(["status", "--endpoints", endpoints, "--timeout", "1s", ...more]);
}

test("shows every member, whichever is asked", async () => {
  const members = await cluster(3);
  const [, second] = members;
  const { code, stdout, stderr } = await status(second?.clientAddress ?? "");
  expect([code, stderr]).toEqual([0, ""]);
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((row) => row.split(/ {2,}/));
  expect(rows).toEqual([
    ["NAME", "ID", "ADDRESS", "ROLE", "TERM", "COMMIT", "APPLIED", "FIRST", "SNAPSHOT", "PROBLEMS"],
    ...members.map(({ name, memberId, clientAddress }, position) => [
      name,
      memberId,
      clientAddress,
      position === 0 ? "leader" : "follower",
      "3",
      "10",
      "9",
      "4",
      "-",
      "-",
    ]),
  ]);
});

test("shows a member that cannot be reached, or whose address nobody knows, and exits with 1", async () => {
  const members = await cluster(1);
  members.push({ name: "n2", memberId: "2".repeat(16), clientAddress: await deadAddress() });
  members.push({ name: "n3", memberId: "3".repeat(16), clientAddress: "" });
  const { code, stdout } = await status(`${await deadAddress()},${members[0]?.clientAddress}`, "-o", "json");
  const { healthy, members: rows } = JSON.parse(stdout);
  expect([code, healthy]).toEqual([1, false]);
  expect(rows).toMatchObject([
    {
      name: "n1",
      role: "leader",
      term: 3,
      commit: 10,
      applied: 9,
      first: 4,
      receiving: null,
      sending: [],
      problems: [],
    },
    {
      name: "n2",
      role: "unreachable",
      term: null,
      first: null,
      receiving: null,
      sending: [],
      problems: [expect.stringContaining("cannot connect")],
    },
    { name: "n3", role: "unreachable", address: "", problems: ["address not known"] },
  ]);
});

test("shows how far snapshots are that are on their way", async () => {
  const receivingSnapshot = { memberId: "1".repeat(16), index: 7n, bytes: 450n, totalBytes: 1000n };
  const sendingSnapshots = [
    { memberId: "9".repeat(16), index: 7n, bytes: 12_345_678n, totalBytes: 0n },
    { memberId: "1".repeat(16), index: 8n, bytes: 1001n, totalBytes: 1000n },
  ];
  const [member] = await cluster(1, { receivingSnapshot, sendingSnapshots });
  const table = await status(member?.clientAddress ?? "");
  expect(table.stdout).toContain("  4      from n1 45%; to 9999999999999999 11.8 MiB; to n1 100%  -\n");
  const json = await status(member?.clientAddress ?? "", "-o", "json");
  expect(JSON.parse(json.stdout).members).toMatchObject([
    {
      first: 4,
      receiving: { memberId: "1".repeat(16), index: 7, bytes: 450, totalBytes: 1000 },
      sending: [{ bytes: 12_345_678, totalBytes: 0 }, { bytes: 1001 }],
    },
  ]);
});

test("a member's own problems, and the lack of a leader, exit with 1", async () => {
  const [member] = await cluster(1, { role: Role.CANDIDATE, problems: ["disk: slow", "lag"] });
  const { code, stdout, stderr } = await status(member?.clientAddress ?? "");
  expect(code).toBe(1);
  expect(stdout).toMatch(/candidate .*disk: slow; lag\n$/);
  expect(stderr).toBe("raftkv: no member that answered leads\n");
});

test("another member at the address of one is no answer of that one", async () => {
  const members = await cluster(1);
  const [other] = await cluster(1, { role: Role.FOLLOWER });
  if (other === undefined) throw new Error("no member");
  members.push({ name: "n9", memberId: "9".repeat(16), clientAddress: other.clientAddress });
  const { stdout } = await status(members[0]?.clientAddress ?? "", "-o", "json");
  expect(JSON.parse(stdout).members[1]).toMatchObject({
    role: "unreachable",
    problems: ["n1 (1111111111111111) answers at its address"],
  });
});

test("exits with 5 when no endpoint answers", async () => {
  const { code, stdout, stderr } = await status(`${await deadAddress()},${await deadAddress()}`);
  expect([code, stdout]).toEqual([5, ""]);
  expect(stderr).toMatch(/cannot connect \(UNAVAILABLE\)\n$/);
});
