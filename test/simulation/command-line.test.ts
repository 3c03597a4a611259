import { expect, test } from "vitest";
import { commandOf, parseCommandLine } from "./command-line.ts";

test("what is not said is the whole run of each seed, one after the other", () => {
  expect(parseCommandLine(["--seeds", "5"])).toMatchObject({
    seed: undefined,
    seeds: 5,
    start: 1,
    jobs: 1,
    overrides: {},
  });
  expect(parseCommandLine(["--minutes", "2"])).toMatchObject({ seeds: Number.POSITIVE_INFINITY, minutes: 2 });
  expect(parseCommandLine([])).toMatchObject({ seeds: undefined, regressions: false });
});

test("the command that repeats a run means that run", () => {
  const overrides = {
    strikes: [1, 4],
    size: 3,
    clients: 2,
    operations: 10,
    untilMs: 500,
    calmNetwork: true,
    calmDisk: true,
    calmClocks: true,
    longLogs: true,
    profile: "snapshots",
  } as const;
  for (const given of [{}, { strikes: [] }, { untilMs: 0 }, overrides]) {
    const [, flags = ""] = commandOf(17, given).split(" -- ");
    expect(parseCommandLine(flags.split(" "))).toMatchObject({ seed: 17, trace: true });
    expect(parseCommandLine(flags.split(" ")).overrides).toEqual(given);
  }
});

test.each([
  [["--seeds", "many"], "--seeds is many"],
  [["--seed", "-1"], "--seed"],
  [["--jobs", "65"], "--jobs is 65, no number up to 64"],
  [["--minutes="], "--minutes"],
  [["--sed", "1"], "--sed"],
  [["--profile", "wild"], "--profile is wild; there are swarm, churn"],
  [["17"], "17"],
])("%j is refused, with the reason", (args, reason) => {
  expect(() => parseCommandLine(args)).toThrow(reason);
});
