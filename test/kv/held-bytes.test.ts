import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import { Driver, del, put, requestId } from "./driver.ts";
import type { MemoryRows } from "./memory-rows.ts";

const used = ({ machine, rows }: Driver): number => machine.stateBytes(rows);

/** What a member comes to that gets these rows from another one, or at a start. */
function countedAnew(rows: MemoryRows): number {
  const machine = createKvStateMachine();
  const survey = machine.survey();
  for (const [id, value] of rows.snapshot()) {
    const key = Buffer.from(id, "latin1");
    if (survey.prefixes.some((prefix) => key.subarray(0, prefix.length).equals(prefix))) survey.add(key, value);
  }
  survey.takeUp();
  return machine.stateBytes(rows);
}

const limits = {
  sessionsMax: 3,
  sessionIdleMs: 1000,
  expiryBucketMs: 100,
  sessionsEndedPerCommandMax: 1,
  endedSessionsMax: 4,
  endedSessionRetentionMs: 5000,
  pendingAnswersMax: 5,
  largeAnswerBytes: 40,
  largeAnswersBytesMax: 300,
  answersRemovedPerCommandMax: 2,
};

const request = fc.record({
  deletes: fc.boolean(),
  key: fc.constantFrom("k", "l"),
  bytes: fc.constantFrom(1, 30, 200),
  previous: fc.boolean(),
  client: fc.option(fc.constantFrom("a", "b", "c", "d", "e", "f"), { nil: undefined, freq: 6 }),
  /** Beyond the last request of the client; 0 asks the same again. */
  ahead: fc.constantFrom(0, 1, 1, 1, 2),
  /** Requests before this one that are still pending. */
  pending: fc.nat(6),
  elapsedMs: fc.oneof({ weight: 8, arbitrary: fc.nat(60) }, fc.constantFrom(900, 1200, 6000)),
});

describe("what sessions hold", () => {
  test("is the same after any commands as when it is counted anew from the rows", () => {
    let ended = 0;
    let leftBehind = 0;
    const run = (requests: readonly (typeof request extends fc.Arbitrary<infer T> ? T : never)[]): void => {
      const driver = new Driver(limits);
      const sequences = new Map<string, number>();
      for (const { deletes, key, bytes, previous, client, ahead, pending, elapsedMs } of requests) {
        driver.timeMs += elapsedMs;
        const sequence = Math.max(1, (sequences.get(client ?? "") ?? 0) + ahead);
        sequences.set(client ?? "", sequence);
        const id = client === undefined ? {} : { id: requestId(client, sequence, Math.max(1, sequence - pending)) };
        driver.apply(deletes ? del(key, { previous, ...id }) : put(key, "x".repeat(bytes), { previous, ...id }));
        expect(used(driver)).toBe(countedAnew(driver.rows));
      }
      ended += driver.summary().sessionsEndedTotal;
      leftBehind += driver.summary().leftoversTotal;
    };
    fc.assert(fc.property(fc.array(request, { minLength: 20, maxLength: 80 }), run), { numRuns: 200 });
    expect(ended).toBeGreaterThan(100);
    expect(leftBehind).toBeGreaterThan(100);
  });

  test("counts large answers in full, until the client gives them up or its session ends", () => {
    const driver = new Driver();
    driver.apply(put("k", "x".repeat(200_000)));
    const before = used(driver);
    const swap = (client: string, sequence: number, firstPending: number) =>
      put("k", "x".repeat(200_000), { previous: true, id: requestId(client, sequence, firstPending) });
    for (let sequence = 1; sequence <= 10; sequence++) driver.apply(swap("c", sequence, 1));
    expect(used(driver)).toBeGreaterThan(before + 10 * 200_000);
    driver.apply(swap("c", 11, 11));
    expect(used(driver)).toBeGreaterThan(before + 200_000);
    expect(used(driver)).toBeLessThan(before + 210_000);
    driver.timeMs += 2 * 3_600_000;
    driver.apply(put("k", "x".repeat(200_000)));
    expect(used(driver)).toBeLessThan(before + 1_000);
    driver.timeMs += 8 * 24 * 3_600_000;
    driver.apply(put("k", "x".repeat(200_000)));
    expect(used(driver)).toBe(before);
  });

  test("of small answers is about what their rows take", () => {
    const driver = new Driver();
    for (let client = 1; client <= 50; client++) {
      for (let sequence = 1; sequence <= 20; sequence++) {
        driver.apply(put("k", "v", { id: requestId(`client-${client}`, sequence) }));
      }
    }
    let rowBytes = 0;
    for (const [key, value] of driver.rows.snapshot()) rowBytes += key.length + value.length;
    expect(used(driver) / rowBytes).toBeGreaterThan(1);
    expect(used(driver) / rowBytes).toBeLessThan(4);
  });
});
