import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommandFailureReason } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { type CommandInit, Driver, del, encodeCommand, increment, put, requestId } from "./driver.ts";
import { type ModelId, SessionModel } from "./session-model.ts";

const limits = {
  sessionIdleMs: 1000,
  expiryBucketMs: 100,
  endedSessionRetentionMs: 5000,
  answersRemovedPerCommandMax: 2,
};

interface Step {
  readonly kind: "put" | "delete" | "increment";
  readonly key: string;
  readonly value: string;
  readonly delta: bigint;
  /** 0: no condition; 1: must not exist; 2: the key's own revision; 3: some other revision. */
  readonly condition: number;
  readonly previous: boolean;
  readonly id: ModelId | undefined;
  readonly elapsedMs: number;
}

const ids = fc.record({
  clientId: fc.constantFrom("a", "b", "\u{1f600}"),
  sequence: fc.integer({ min: 0, max: 8 }),
  firstPending: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 6 })),
});
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("put", "delete", "increment"),
  key: fc.constantFrom("k", "\u{fffd}", "\u{1f600}"),
  value: fc.constantFrom("1", "text", `${2n ** 63n - 1n}`),
  delta: fc.constantFrom(1n, -1n, 2n),
  condition: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
  previous: fc.boolean(),
  id: fc.option(ids, { nil: undefined, freq: 4 }),
  elapsedMs: fc.oneof({ weight: 6, arbitrary: fc.nat(60) }, fc.constantFrom(-500, 900, 1100, 6000)),
});

/** The pairs said in the plainest way. */
class PairModel {
  readonly pairs = new Map<string, { value: string; create: number; mod: number; version: number }>();
  revision = 0;

  conditionOf({ condition, key }: Step): number | undefined {
    const current = this.pairs.get(key)?.mod ?? 0;
    return [undefined, 0, current, current + 1][condition];
  }

  execute(step: Step, condition: number | undefined): string {
    const current = this.pairs.get(step.key);
    if (condition !== undefined && condition !== (current?.mod ?? 0)) return `${this.revision} not applied`;
    if (step.kind === "delete") {
      if (current !== undefined) this.revision++;
      this.pairs.delete(step.key);
      return `${this.revision} deleted ${current !== undefined}`;
    }
    let { value } = step;
    if (step.kind === "increment") {
      if (current?.value === "text") return "NOT_AN_INTEGER";
      const sum = BigInt(current?.value ?? "0") + step.delta;
      if (sum >= 2n ** 63n) return "INTEGER_OVERFLOW";
      value = `${sum}`;
    }
    const mod = ++this.revision;
    this.pairs.set(step.key, { value, create: current?.create ?? mod, mod, version: (current?.version ?? 0) + 1 });
    return step.kind === "put" ? `${mod} put` : `${mod} sum ${value}`;
  }
}

function commandOf(step: Step, condition: number | undefined): CommandInit {
  const options = {
    previous: step.previous,
    ...(condition !== undefined && { if: condition }),
    ...(step.id && { id: requestId(step.id.clientId, step.id.sequence, step.id.firstPending) }),
  };
  if (step.kind === "put") return put(step.key, step.value, options);
  return step.kind === "delete" ? del(step.key, options) : increment(step.key, step.delta, options);
}

function wordsOf(driver: Driver, command: CommandInit): string {
  const { revision, result } = driver.apply(command);
  if (result.case === undefined) return "nothing";
  if (result.case === "failure") return CommandFailureReason[result.value.reason] ?? "?";
  if (!result.value.applied) return `${revision} not applied`;
  if (result.case === "put") return `${revision} put`;
  return result.case === "delete"
    ? `${revision} deleted ${result.value.deleted}`
    : `${revision} sum ${result.value.value}`;
}

describe("random commands", () => {
  test("come to what a model of plain maps says, retries and ends of sessions included", () => {
    const run = (steps: Step[]): void => {
      const driver = new Driver(limits);
      const pairs = new PairModel();
      const sessions = new SessionModel(limits);
      let nowMs = 0;
      for (const step of steps) {
        driver.timeMs += step.elapsedMs;
        nowMs = Math.max(nowMs, driver.timeMs);
        sessions.tidy(nowMs);
        const condition = pairs.conditionOf(step);
        const command = commandOf(step, condition);
        const execute = (): string => pairs.execute(step, condition);
        const expected = step.id === undefined ? execute() : sessions.request(step.id, command, nowMs, execute);
        expect(wordsOf(driver, command)).toBe(expected);
      }
      const { revision, keys, sizeBytes, sessions: live, endedSessions } = driver.summary();
      let modelBytes = 0;
      for (const [key, pair] of pairs.pairs) {
        modelBytes += Buffer.byteLength(key) + Buffer.byteLength(pair.value);
        expect(driver.value(key)).toBe(pair.value);
        const stored = driver.pair(key);
        expect([stored?.createRevision, stored?.modRevision, stored?.version].map(Number)).toEqual([
          pair.create,
          pair.mod,
          pair.version,
        ]);
      }
      expect([Number(revision), keys, sizeBytes]).toEqual([pairs.revision, pairs.pairs.size, modelBytes]);
      expect([live, endedSessions]).toEqual(sessions.counts);
      expect([driver.rows.count("s"), driver.rows.count("x"), driver.rows.count("e")]).toEqual([
        live,
        live,
        endedSessions,
      ]);
    };
    fc.assert(fc.property(fc.array(step, { maxLength: 80 }), run), { numRuns: 300 });
  });
});

const tight = { ...limits, sessionsMax: 2, endedSessionsMax: 2, pendingAnswersMax: 3, sessionsEndedPerCommandMax: 1 };
const log = fc.array(fc.record({ step, condition: fc.option(fc.nat(20), { nil: undefined }) }), { maxLength: 80 });

/** Applies a log, calling `between` after each command; gives back all results. */
function applyAll(
  driver: Driver,
  commands: readonly { step: Step; condition: number | undefined }[],
  between: (at: number) => void = () => {},
): Uint8Array[] {
  return commands.map(({ step, condition }, at) => {
    driver.timeMs += step.elapsedMs;
    const bytes = encodeCommand(commandOf(step, condition));
    const result = driver.machine.apply(bytes, { index: at + 1, timeMs: driver.timeMs }, driver.rows);
    between(at);
    return result;
  });
}

describe("the same log", () => {
  test("gives the same rows and results on two members, byte for byte", () => {
    fc.assert(
      fc.property(log, (commands) => {
        const [one, two] = [new Driver(tight), new Driver(tight)];
        expect(applyAll(one, commands)).toEqual(applyAll(two, commands));
        expect(one.rows.snapshot()).toEqual(two.rows.snapshot());
      }),
      { numRuns: 100 },
    );
  });

  test("trap 80: goes on alike after a snapshot at any point, because sessions and the order of their ends are rows", () => {
    fc.assert(
      fc.property(log, fc.integer({ min: 1, max: 7 }), (commands, page) => {
        const [straight, paged] = [new Driver(tight), new Driver(tight)];
        const results = applyAll(straight, commands);
        const restore = (at: number): void => {
          if (at % page === 0) paged.restore();
        };
        expect(applyAll(paged, commands, restore)).toEqual(results);
        expect(paged.rows.snapshot()).toEqual(straight.rows.snapshot());
      }),
      { numRuns: 100 },
    );
  });

  test("goes on alike when the rows are replaced under a state machine that remembers others", () => {
    fc.assert(
      fc.property(log, log, (commands, others) => {
        const [straight, replaced, other] = [new Driver(tight), new Driver(tight), new Driver(tight)];
        other.machine = replaced.machine;
        const results = applyAll(straight, commands);
        const interleave = (at: number): void => {
          applyAll(other, others.slice(at, at + 1));
        };
        expect(applyAll(replaced, commands, interleave)).toEqual(results);
        expect(replaced.rows.snapshot()).toEqual(straight.rows.snapshot());
      }),
      { numRuns: 100 },
    );
  });

  test("never holds more sessions, ended sessions or answers than the limits say", () => {
    fc.assert(
      fc.property(log, (commands) => {
        const driver = new Driver(tight);
        applyAll(driver, commands, () => {
          expect(driver.rows.count("s")).toBeLessThanOrEqual(tight.sessionsMax);
          expect(driver.rows.count("e")).toBeLessThanOrEqual(tight.endedSessionsMax);
          const { leftovers, sessions, endedSessions } = driver.summary();
          expect(driver.rows.count("a")).toBeLessThanOrEqual((sessions + leftovers) * tight.pendingAnswersMax);
          expect([driver.rows.count("s"), driver.rows.count("o"), driver.rows.count("l")]).toEqual([
            sessions,
            endedSessions,
            leftovers,
          ]);
        });
      }),
      { numRuns: 100 },
    );
  });
});

test("a retry of every request, in any order, changes no pair", () => {
  const requests = fc.array(step, { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(requests, fc.infiniteStream(fc.nat()), (steps, picks) => {
      const driver = new Driver();
      const commands = steps.map((one, at) => {
        const { id: _id, ...rest } = one;
        return commandOf({ ...rest, id: { clientId: "c", sequence: at + 1, firstPending: 1 } }, undefined);
      });
      const answers = commands.map((command) => driver.applyBytes(command));
      const before = driver.rows.snapshot();
      for (const pick of [...picks.take(60)]) {
        const at = pick % commands.length;
        const command = commands[at];
        if (command !== undefined) expect(driver.applyBytes(command)).toEqual(answers[at]);
      }
      expect(driver.rows.snapshot()).toEqual(before);
    }),
    { numRuns: 50 },
  );
});
