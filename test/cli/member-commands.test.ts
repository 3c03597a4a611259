import { afterEach, expect, test } from "vitest";
import { ClusterService, Member_Role as Role } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { type FakeMethod, on, refusal, startFakeMember } from "../client/fake-member.ts";
import { cli } from "./fake-cli.ts";

const methods = ClusterService.method;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const members = [
  {
    name: "n1",
    memberId: "1".repeat(16),
    role: Role.VOTER,
    leader: true,
    peerAddress: "h1:7001",
    clientAddress: "h1:50051",
  },
  { name: "n2", memberId: "2".repeat(16), role: Role.LEARNER, keepLearner: true, peerAddress: "h2:7001" },
];
const after = { members, configurationIndex: 9n };

/** Runs a command against a member that answers as `fake` says. */
async function run(fake: FakeMethod, line: readonly string[]) {
  const { address, stop } = await startFakeMember([fake]);
  stops.push(stop);
  return cli([...line, "--endpoints", address, "--timeout", "1s"]);
}

const table = [
  "NAME  ID                ROLE           PEER_ADDRESS  CLIENT_ADDRESS",
  "n1    1111111111111111  voter, leader  h1:7001       h1:50051",
  "n2    2222222222222222  learner, kept  h2:7001       -",
  "",
].join("\n");

test.each([
  ["list", on(methods.listMembers, () => after), ["member", "list"]],
  [
    "add",
    on(methods.addMember, (request) => {
      expect(request).toMatchObject({ name: "n2", peerAddress: "h2:7001", keepLearner: true });
      return after;
    }),
    ["member", "add", "n2", "--peer-address", "h2:7001", "--keep-learner"],
  ],
  [
    "promote",
    on(methods.promoteMember, (request) => {
      expect(request.member).toBe("n2");
      return after;
    }),
    ["member", "promote", "n2"],
  ],
  [
    "remove",
    on(methods.removeMember, (request) => {
      expect(request.member).toBe("n3");
      return after;
    }),
    ["member", "remove", "n3"],
  ],
  [
    "replace",
    on(methods.replaceMember, (request) => {
      expect(request).toMatchObject({ oldMember: "n3", name: "n2", peerAddress: "h2:7001", keepLearner: false });
      return after;
    }),
    ["member", "replace", "n3", "n2", "--peer-address", "h2:7001"],
  ],
])("member %s asks for it and shows the members after it", async (_, fake, line) => {
  expect(await run(fake, line)).toEqual({ code: 0, stdout: table, stderr: "" });
  const { stdout } = await run(fake, [...line, "-o", "json"]);
  expect(JSON.parse(stdout)).toEqual({
    configurationIndex: 9,
    members: [
      {
        id: "1".repeat(16),
        name: "n1",
        role: "voter",
        keepLearner: false,
        leader: true,
        peerAddress: "h1:7001",
        clientAddress: "h1:50051",
      },
      {
        id: "2".repeat(16),
        name: "n2",
        role: "learner",
        keepLearner: true,
        leader: false,
        peerAddress: "h2:7001",
        clientAddress: "",
      },
    ],
  });
});

test("a change is asked for on condition that the members are those that were looked at", async () => {
  const asked: (bigint | undefined)[] = [];
  const answer = (request: { readonly expectedConfigurationIndex?: bigint | undefined }) => {
    asked.push(request.expectedConfigurationIndex);
    return after;
  };
  const fakes = [
    [on(methods.addMember, answer), ["member", "add", "n2", "--peer-address", "h2:7001"]],
    [on(methods.promoteMember, answer), ["member", "promote", "n2"]],
    [on(methods.removeMember, answer), ["member", "remove", "n2"]],
    [on(methods.replaceMember, answer), ["member", "replace", "n3", "n2", "--peer-address", "h2:7001"]],
  ] as const;
  for (const [fake, line] of fakes) {
    await run(fake, line);
    await run(fake, [...line, "--if-configuration-index", "0"]);
    expect((await run(fake, [...line, "--if-configuration-index", "x"])).code).toBe(2);
  }
  expect(asked).toEqual(fakes.flatMap(() => [undefined, 0n]));
});

test("leader transfer tells who leads now", async () => {
  const targets: string[] = [];
  const fake = on(methods.transferLeadership, ({ target }) => {
    targets.push(target);
    return { oldLeaderId: "1", newLeaderId: "2" };
  });
  expect((await run(fake, ["leader", "transfer"])).stdout).toBe("FROM  TO\n1     2\n");
  expect((await run(fake, ["leader", "transfer", "n2", "-o", "json"])).stdout).toBe('{"from":"1","to":"2"}\n');
  expect(targets).toEqual(["", "n2"]);
});

test.each([
  ["NOT_FOUND", "MEMBER_UNKNOWN", 3],
  ["ALREADY_EXISTS", "MEMBER_EXISTS", 4],
  ["FAILED_PRECONDITION", "TOO_MANY_MEMBERS", 4],
  ["FAILED_PRECONDITION", "QUORUM_AT_RISK", 4],
  ["INVALID_ARGUMENT", "MEMBER_INVALID", 1],
  ["UNAVAILABLE", "NO_LEADER", 5],
  ["DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN", 5],
] as const)("%s with %s ends a change with %i", async (code, reason, exit) => {
  const fake = on(methods.removeMember, () => {
    throw refusal(code, reason);
  });
  const result = await run(fake, ["member", "remove", "n3"]);
  expect(result.code).toBe(exit);
  expect(result.stderr).toContain(reason);
});

test("a change that another one stands in the way of is tried again", async () => {
  let asked = 0;
  const fake = on(methods.removeMember, () => {
    if (++asked < 3) throw refusal("FAILED_PRECONDITION", "CONFIG_CHANGE_IN_PROGRESS", 10);
    return after;
  });
  expect((await run(fake, ["member", "remove", "n3"])).code).toBe(0);
  expect(asked).toBe(3);
});

test("a change that may have been carried out is not tried again", async () => {
  let asked = 0;
  const fake = on(methods.addMember, () => {
    asked++;
    throw refusal("DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN");
  });
  await run(fake, ["member", "add", "n2", "--peer-address", "h2:7001"]);
  expect(asked).toBe(1);
});

test.each([
  [["member", "add", "n2"], "--peer-address"],
  [["member", "add", "n2", "--peer-address", "0.0.0.0:1"], "wildcard"],
  [["member", "replace", "n1", "n2", "--peer-address", "h:0"], "port 0"],
])("%j is refused before anyone is asked", async (line, message) => {
  const { code, stderr } = await cli(line);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
