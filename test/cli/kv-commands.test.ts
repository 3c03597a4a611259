import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterService } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { deadAddress, on, refusal, startFakeMember } from "../client/fake-member.ts";
import { cli, type FakeCliOptions } from "./fake-cli.ts";

const { put, get, delete: remove, increment } = KvService.method;
const header = { revision: 12n };
const pair = (value: string | Uint8Array) => ({
  key: "k",
  payload: typeof value === "string" ? { case: "value" as const, value } : { case: "binaryValue" as const, value },
  createRevision: 3n,
  modRevision: 7n,
  version: 2n,
});

/** A member without memory: what it answers follows from key, condition and value. */
const methods = [
  on(put, (request) => {
    if (request.key === "slow") throw refusal("DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN");
    if (request.key === "bad") throw refusal("INVALID_ARGUMENT", "KEY_INVALID");
    const applied = request.ifModRevision === undefined || request.ifModRevision === 7n;
    const { case: arm, value } = request.payload;
    const previous = !applied || request.returnPrevious ? { previous: pair(`was ${arm} ${String(value)}`) } : {};
    return { header, applied, ...previous };
  }),
  on(get, ({ key, read }) => {
    if (key === "none") return { header, found: false };
    if (key === "level") return { header, found: true, kv: pair(String(read?.consistency)) };
    return { header, found: true, kv: pair(key === "bytes" ? Uint8Array.of(255, 0) : "text\nmore") };
  }),
  on(remove, ({ key, returnPrevious }) => ({
    header,
    applied: true,
    deleted: key === "none" ? 0n : 1n,
    previous: returnPrevious ? [pair("old")] : [],
  })),
  on(increment, ({ delta, ifModRevision }) =>
    ifModRevision === undefined ? { header, applied: true, value: delta ?? 1n } : { header, applied: false },
  ),
];

let endpoint = "";
let stop = () => {};

beforeAll(async () => {
  ({ address: endpoint, stop } = await startFakeMember(methods));
});
afterAll(() => stop());

function kv(line: string, options: FakeCliOptions = {}) {
  return cli(line.split(" "), { env: { RAFTKV_ENDPOINTS: endpoint, RAFTKV_TIMEOUT: "300ms" }, ...options });
}

describe("put", () => {
  test("tells the revision", async () => {
    expect(await kv("put k v")).toEqual({ code: 0, stdout: "KEY  REVISION\nk    12\n", stderr: "" });
    expect((await kv("put k v -o value")).stdout).toBe("12\n");
  });

  test("writes JSON with stable fields", async () => {
    const { stdout } = await kv("put k v -o json");
    expect(JSON.parse(stdout)).toEqual({ key: "k", applied: true, revision: 12, previous: null });
    expect(JSON.parse((await kv("put k v -o json --return-previous")).stdout).previous).toEqual({
      key: "k",
      value: "was value v",
      createRevision: 3,
      modRevision: 7,
      version: 2,
    });
  });

  test("exits with 4 when the condition does not hold", async () => {
    expect(await kv("put k v --if-mod-revision 6")).toEqual({
      code: 4,
      stdout: "",
      stderr: 'raftkv: not applied: key "k" is not at revision 6; it is at 7\n',
    });
    expect((await kv("put k v --if-mod-revision 0 -o json")).code).toBe(4);
    expect((await kv("put k v --if-mod-revision 7")).code).toBe(0);
  });

  test("reads the value from standard input: text where it is UTF-8, else bytes", async () => {
    const previous = async (stdin: Uint8Array[]) =>
      JSON.parse((await kv("put k - -o json --return-previous", { stdin })).stdout).previous.value;
    expect(
      await previous([Buffer.from("gr\u00fc\u00dfe").subarray(0, 3), Buffer.from("gr\u00fc\u00dfe").subarray(3)]),
    ).toBe("was value gr\u00fc\u00dfe");
    expect(await previous([Uint8Array.of(255, 1)])).toMatch(/^was binaryValue /);
  });

  test("refuses more than 64 MiB of standard input", async () => {
    const stdin = Array.from({ length: 65 }, () => new Uint8Array(1024 * 1024));
    const { code, stderr } = await kv("put k -", { stdin });
    expect([code, stderr]).toEqual([2, "raftkv: the value on standard input is longer than 67108864 bytes\n"]);
  });
});

test("a value that no member takes is refused before it is sent, with the limit", async () => {
  const written: number[] = [];
  const getStatus = (maxValueBytes: bigint) =>
    on(ClusterService.method.getStatus, () => ({ name: "n1", maxValueBytes }));
  const counted = on(put, ({ payload }) => {
    written.push(payload.value?.length ?? 0);
    return { header, applied: true };
  });
  const limit = 3 << 20;
  const asked = await startFakeMember([getStatus(BigInt(limit)), counted]);
  const silent = await startFakeMember([counted]);
  const member = (address: string) => ({ RAFTKV_ENDPOINTS: address, RAFTKV_TIMEOUT: "5s" });
  const value = (bytes: number) => ({ stdin: [Buffer.alloc(bytes, "v")] });
  const refused = await kv("put k -", { env: member(asked.address), ...value(limit + 1) });
  expect(refused).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "raftkv: value has 3145729 bytes; the limit of n1 is 3145728 (max-value-size); nothing was sent (INVALID_ARGUMENT/VALUE_TOO_LARGE)\n",
  });
  expect(await kv("put k -", { env: member(asked.address), ...value(limit) })).toMatchObject({ code: 0 });
  // Where nobody tells a limit the value is sent.
  expect(await kv("put k -", { env: member(silent.address), ...value(limit + 1) })).toMatchObject({ code: 0 });
  expect(written).toEqual([limit, limit + 1]);
  asked.stop();
  silent.stop();
});

test.each(["version", "--version", "-V"])("%s tells the version", async (line) => {
  expect(await kv(line)).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" });
});

describe("get", () => {
  test("writes exactly the value, with a line end only on a terminal", async () => {
    expect(await kv("get k")).toEqual({ code: 0, stdout: "text\nmore", stderr: "" });
    expect((await kv("get k", { terminal: true })).stdout).toBe("text\nmore\n");
    expect((await kv("get bytes")).stdout).toBe("\u00ff\u0000");
  });

  test("shows a pair in one row", async () => {
    expect((await kv("get k -o table")).stdout).toBe(
      'KEY  VALUE         MOD_REVISION  CREATE_REVISION  VERSION\nk    "text\\nmore"  7             3                2\n',
    );
    expect((await kv("get bytes -o table")).stdout).toContain("base64:/wA=");
  });

  test("exits with 3 when there is no such key", async () => {
    expect(await kv("get none")).toEqual({ code: 3, stdout: "", stderr: 'raftkv: key "none" does not exist\n' });
    const { code, stdout } = await kv("get none -o json");
    expect([code, JSON.parse(stdout)]).toEqual([3, { found: false, revision: 12, kv: null }]);
  });

  test("reads linearizably unless stale is asked for", async () => {
    expect((await kv("get level")).stdout).toBe("1");
    expect((await kv("get level --consistency stale")).stdout).toBe("3");
    expect((await kv("get level --consistency old")).code).toBe(2);
  });
});

test("delete tells how many, and exits with 3 when there is no such key", async () => {
  expect(await kv("delete k")).toEqual({ code: 0, stdout: "KEY  REVISION  DELETED\nk    12        1\n", stderr: "" });
  expect((await kv("delete k --return-previous")).stdout).toContain("PREVIOUS\nk    12        1        old\n");
  expect((await kv("delete none -o value")).code).toBe(3);
});

describe("increment", () => {
  test.each([
    ["increment k", "1\n"],
    ["increment k 5", "5\n"],
    ["increment k -5", "-5\n"],
    ["increment k +5", "5\n"],
    ["increment k -5 -o value", "-5\n"],
    ["increment -o value k -9223372036854775808", "-9223372036854775808\n"],
  ])("%s", async (line, stdout) => {
    expect(await kv(line)).toEqual({ code: 0, stdout, stderr: "" });
  });

  test.each(["increment k x", "increment k 1.5", "increment k 9223372036854775808", "increment k -x"])(
    "%s is a usage error",
    async (line) => {
      expect((await kv(line)).code).toBe(2);
    },
  );

  test("writes the sum as text in JSON, since it may be beyond 2^53", async () => {
    expect(JSON.parse((await kv("increment k 9007199254740993 -o json")).stdout).value).toBe("9007199254740993");
    expect(JSON.parse((await kv("increment k -o json --if-mod-revision 1")).stdout)).toMatchObject({
      applied: false,
      value: null,
    });
  });
});

describe("errors", () => {
  test("of the service exit with 1 and tell code and reason", async () => {
    expect(await kv("put bad v")).toMatchObject({
      code: 1,
      stderr: `raftkv: ${endpoint}: refused with INVALID_ARGUMENT (INVALID_ARGUMENT/KEY_INVALID)\n`,
    });
  });

  test("exit with 5 when nobody answers, and say that nothing was written", async () => {
    const { code, stderr } = await kv(`put k v -o json --endpoints ${await deadAddress()}`);
    expect([code, JSON.parse(stderr).error]).toMatchObject([5, { code: "UNAVAILABLE", outcome: "not-applied" }]);
  });

  test("say so when the write may have been applied", async () => {
    const { code, stderr } = await kv("put slow v");
    expect([code, stderr]).toEqual([5, expect.stringContaining("; the write may have been applied\n")]);
  });

  test.each([
    ["unknown command", "putt k v", "Did you mean put?"],
    ["missing argument", "put k", "missing required argument 'value'"],
    ["too many arguments", "get k v", "too many arguments"],
    ["unknown flag", "put k v --return-previos", "Did you mean --return-previous?"],
    ["bad endpoint", "get k --endpoints localhost", "an address is HOST:PORT"],
    ["endpoint with port 0", "get k --endpoints localhost:0", "nobody listens on port 0"],
    ["bad timeout", "get k --timeout 5", "a duration is a number with a unit"],
    ["no timeout", "get k --timeout 0ms", "it must lie between 1ms and 1h"],
    ["bad revision", "put k v --if-mod-revision -1", "a revision is a whole number"],
    ["bad format", "put k v -o xml", "Allowed choices are table, json, value"],
  ])("%s exits with 2", async (_, line, message) => {
    const { code, stderr } = await kv(line);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test("a variable that is wrong is named", async () => {
    const { code, stderr } = await kv("get k", { env: { RAFTKV_TIMEOUT: "soon" } });
    expect([code, stderr]).toEqual([2, expect.stringContaining('RAFTKV_TIMEOUT is "soon": a duration is')]);
  });
});

test("version tells the package's version", async () => {
  const { stdout } = await kv("version");
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(JSON.parse((await kv("version -o json")).stdout)).toMatchObject({ version: stdout.trim() });
});
