import { describe, expect, test } from "vitest";
import { Driver, del, increment, put, requestId } from "./driver.ts";

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** An increment of one key as request `sequence` of session `client`. */
const count = (client: string, sequence: number, firstPending = 1) =>
  increment("n", 1n, { id: requestId(client, sequence, firstPending) });

describe("a retry", () => {
  test("is answered with the very bytes of the first answer, and applied once", () => {
    const driver = new Driver();
    const request = put("a", "1", { if: 0, previous: true, id: requestId("c", 1) });
    const first = driver.applyBytes(request);
    driver.apply(put("a", "2"));
    expect(driver.applyBytes(request)).toEqual(first);
    expect(driver.value("a")).toBe("2");
    expect(driver.summary().revision).toBe(2n);
  });

  test("changes no row within the minute, and only the session's last use after it", () => {
    const driver = new Driver();
    driver.apply(count("c", 1));
    const before = driver.rows.snapshot();
    driver.apply(count("c", 1));
    expect(driver.rows.snapshot()).toEqual(before);
    driver.timeMs += minuteMs;
    driver.apply(count("c", 1));
    const changed = new Map(before);
    const kinds = driver.rows.snapshot().filter(([key, value]) => changed.get(key)?.toString() !== value.toString());
    expect(kinds.map(([key]) => key.charAt(0))).toEqual(["m", "s", "x"]);
  });

  test("of a failure is answered with the failure, though it would now succeed", () => {
    const driver = new Driver();
    driver.apply(put("n", "text"));
    expect(driver.outcome(count("c", 1))).toBe("NOT_AN_INTEGER");
    driver.apply(put("n", "1"));
    expect(driver.outcome(count("c", 1))).toBe("NOT_AN_INTEGER");
    expect(driver.outcome(count("c", 2))).toBe("increment");
    expect(driver.value("n")).toBe("2");
  });

  test("may tell of later requests that were answered, without losing its own answer", () => {
    const driver = new Driver();
    driver.apply(count("c", 1));
    const answer = driver.applyBytes(count("c", 2));
    expect(driver.applyBytes(count("c", 2, 2))).toEqual(answer);
  });

  test("without a request id is applied again", () => {
    const driver = new Driver();
    driver.apply(increment("n", 1n));
    driver.apply(increment("n", 1n));
    expect(driver.value("n")).toBe("2");
  });
});

describe("sequences", () => {
  test("may come in any order and with gaps", () => {
    const driver = new Driver();
    const order = [5, 2, 9, 3, 4, 1];
    for (const sequence of order) driver.apply(count("c", sequence));
    for (const sequence of order) driver.apply(count("c", sequence));
    expect(driver.value("n")).toBe("6");
    expect(driver.rows.count("a")).toBe(6);
  });

  test("that the client gave up are refused and their answers removed", () => {
    const driver = new Driver();
    for (let sequence = 1; sequence <= 5; sequence++) driver.apply(count("c", sequence));
    driver.apply(count("c", 6, 4));
    expect(driver.rows.count("a")).toBe(3);
    expect(driver.outcome(count("c", 3))).toBe("SEQUENCE_ANSWERED");
    expect(driver.outcome(count("c", 7, 8))).toBe("SEQUENCE_ANSWERED");
    expect(driver.outcome(count("c", 0))).toBe("SEQUENCE_ANSWERED");
    expect(driver.outcome(count("new", 0))).toBe("SEQUENCE_ANSWERED");
    expect(driver.value("n")).toBe("6");
    expect(driver.summary().sessions).toBe(1);
  });

  test("of one session say nothing about another's", () => {
    const driver = new Driver();
    for (const client of ["a", "b", "ab", "é", ""]) driver.apply(count(client, 1));
    expect(driver.value("n")).toBe("5");
    expect(driver.summary().sessions).toBe(5);
  });

  test("reach to the end of 64 bits", () => {
    const driver = new Driver();
    const request = increment("n", 1n, {
      id: { clientId: "c", sequence: 2n ** 64n - 1n, firstPendingSequence: 1n },
    });
    driver.apply(request);
    driver.apply(request);
    expect(driver.value("n")).toBe("1");
  });
});

describe("trap 82: a sequence used again for another request is refused", () => {
  const id = requestId("c", 1);
  const first = put("a", "1", { id });
  test.each([
    ["another value", put("a", "2", { id })],
    ["another form of the value", put("a", new Uint8Array([0x31]), { id })],
    ["another key", put("b", "1", { id })],
    ["a condition", put("a", "1", { if: 0, id })],
    ["a wish for the previous pair", put("a", "1", { previous: true, id })],
    ["another command", del("a", { id })],
    ["an increment", increment("a", 1n, { id })],
  ])("with %s", (_what, second) => {
    const driver = new Driver();
    driver.apply(first);
    expect(driver.outcome(second)).toBe("SEQUENCE_REUSED");
    expect(driver.value("a")).toBe("1");
    expect(driver.outcome(first)).toBe("put");
  });

  test("an increment by another delta", () => {
    const driver = new Driver();
    driver.apply(increment("n", 1n, { id }));
    expect(driver.outcome(increment("n", 1n + 2n ** 32n, { id }))).toBe("SEQUENCE_REUSED");
    expect(driver.outcome(increment("n", -1n, { id }))).toBe("SEQUENCE_REUSED");
  });

  test("and the refusal is not remembered as the answer", () => {
    const driver = new Driver();
    const answer = driver.applyBytes(first);
    driver.apply(put("a", "2", { id }));
    expect(driver.applyBytes(first)).toEqual(answer);
  });
});

describe("trap 83: a session that is over is never opened again", () => {
  test("not before an hour without use, and no more than a minute after it", () => {
    for (const offsetMs of [0, 1, minuteMs - 1]) {
      const driver = new Driver();
      driver.timeMs = 100 * minuteMs + offsetMs;
      driver.apply(count("c", 1));
      driver.timeMs += hourMs;
      expect(driver.outcome(count("c", 1))).toBe("increment");
      driver.timeMs += hourMs + minuteMs;
      expect(driver.outcome(count("c", 1))).toBe("SESSION_EXPIRED");
      expect(driver.outcome(count("c", 2))).toBe("SESSION_EXPIRED");
      expect(driver.value("n")).toBe("1");
    }
  });

  test("nor before its time, because it was last used under a leader whose clock is behind", () => {
    const driver = new Driver();
    driver.timeMs = 100 * minuteMs;
    driver.apply(put("a", "1"));
    driver.timeMs -= hourMs;
    driver.apply(count("c", 1));
    driver.timeMs = 130 * minuteMs;
    expect(driver.outcome(count("c", 1))).toBe("increment");
    expect(driver.value("n")).toBe("1");
  });

  test("nor when many are overdue at once, of which a command ends only some", () => {
    const driver = new Driver({ sessionsEndedPerCommandMax: 2 });
    for (let client = 0; client < 7; client++) driver.apply(count(`c${client}`, 1));
    driver.timeMs += 2 * hourMs;
    expect(driver.outcome(count("c6", 1))).toBe("SESSION_EXPIRED");
    expect(driver.summary()).toMatchObject({ sessions: 5, endedSessions: 2 });
    for (let commands = 0; commands < 3; commands++) driver.apply(put("a", "1"));
    expect(driver.summary()).toMatchObject({ sessions: 0, endedSessions: 7 });
    expect(driver.rows.count("x")).toBe(0);
    expect(driver.value("n")).toBe("7");
  });

  test("nor by a client that had answers of a session nobody remembers", () => {
    const driver = new Driver();
    expect(driver.outcome(count("c", 8, 8))).toBe("SESSION_EXPIRED");
    expect(driver.summary().sessions).toBe(0);
    expect(driver.outcome(count("c", 8, 1))).toBe("increment");
  });

  test("and the answers that it held go a bounded number of rows a command", () => {
    const driver = new Driver({ answersRemovedPerCommandMax: 4 });
    for (let sequence = 1; sequence <= 6; sequence++) driver.apply(count("c", sequence));
    for (let sequence = 1; sequence <= 3; sequence++) driver.apply(count("d", 2 * sequence));
    driver.timeMs += 2 * hourMs;
    const held = [1, 2, 3].map(() => {
      driver.apply(put("a", "1"));
      return driver.rows.count("a");
    });
    expect(held).toEqual([5, 1, 0]);
    expect(driver.rows.count("l")).toBe(0);
    expect(driver.summary().leftovers).toBe(0);
  });

  test("until seven days have passed since its own end, not another's", () => {
    const driver = new Driver({ sessionsMax: 1 });
    for (const client of ["a", "b", "c"]) {
      driver.apply(count(client, 1));
      driver.timeMs += 10 * minuteMs;
    }
    driver.timeMs += 7 * 24 * hourMs - 20 * minuteMs;
    expect(driver.outcome(count("b", 1))).toBe("SESSION_EXPIRED");
    expect(driver.outcome(count("a", 1))).toBe("increment");
  });

  test("until it is forgotten after seven days, a bounded number a command", () => {
    const driver = new Driver({ endedSessionsForgottenPerCommandMax: 2 });
    for (let client = 0; client < 5; client++) driver.apply(count(`c${client}`, 1));
    driver.timeMs += 2 * hourMs;
    driver.apply(put("a", "1"));
    driver.timeMs += 7 * 24 * hourMs - 1;
    expect(driver.outcome(count("c0", 1))).toBe("SESSION_EXPIRED");
    driver.timeMs += 1;
    const remembered = [1, 2, 3].map(() => {
      driver.apply(put("a", "1"));
      return driver.summary().endedSessions;
    });
    expect(remembered).toEqual([3, 1, 0]);
    expect([driver.rows.count("e"), driver.rows.count("o"), driver.summary().oldestEndedMs]).toEqual([0, 0, 0]);
    expect(driver.outcome(count("c0", 1))).toBe("increment");
  });
});

describe("the number of sessions", () => {
  test("is kept by ending the least recently used", () => {
    const driver = new Driver({ sessionsMax: 3 });
    for (const client of ["a", "b", "c"]) {
      driver.apply(count(client, 1));
      driver.timeMs += minuteMs;
    }
    driver.apply(count("a", 2));
    driver.apply(count("d", 1));
    expect(driver.summary()).toMatchObject({ sessions: 3, endedSessions: 1 });
    expect(driver.outcome(count("b", 1))).toBe("SESSION_EXPIRED");
    for (const client of ["a", "c", "d"]) expect(driver.outcome(count(client, 1))).toBe("increment");
  });

  test("within one minute ends the lowest client id, as bytes and not as a JavaScript string", () => {
    const driver = new Driver({ sessionsMax: 2 });
    const [low, high] = ["\u{fffd}", "\u{1f600}"];
    expect([low, high].sort()).toEqual([high, low]);
    driver.apply(count(high, 1));
    driver.apply(count(low, 1));
    driver.apply(count("z", 1));
    expect(driver.outcome(count(low, 1))).toBe("SESSION_EXPIRED");
    expect(driver.outcome(count(high, 1))).toBe("increment");
  });

  test("cannot be kept when no more ended ones can be remembered: a new one is refused, none forgotten", () => {
    const driver = new Driver({ sessionsMax: 2, endedSessionsMax: 1 });
    for (const client of ["a", "b", "c"]) driver.apply(count(client, 1));
    expect(driver.outcome(count("d", 1))).toBe("TOO_MANY_SESSIONS");
    expect(driver.outcome(count("a", 1))).toBe("SESSION_EXPIRED");
    expect(driver.outcome(count("b", 2))).toBe("increment");
    driver.timeMs += 2 * hourMs;
    expect(driver.outcome(count("b", 3))).toBe("SESSION_EXPIRED");
    expect(driver.outcome(count("d", 1))).toBe("TOO_MANY_SESSIONS");
    expect(driver.summary()).toMatchObject({ sessions: 2, endedSessions: 1 });
    driver.timeMs += 7 * 24 * hourMs;
    expect(driver.outcome(count("d", 1))).toBe("increment");
    expect(driver.outcome(count("b", 3))).toBe("SESSION_EXPIRED");
  });

  test("a busy session moves in the expiry index once a minute", () => {
    const driver = new Driver();
    const moves = new Set<string>();
    for (let sequence = 1; sequence <= 600; sequence++) {
      driver.timeMs = 10 * minuteMs + sequence * 500;
      driver.apply(count("c", sequence, sequence));
      for (const [key] of driver.rows.snapshot()) if (key.startsWith("x")) moves.add(key);
    }
    expect(moves.size).toBe(6);
    expect(driver.rows.count("x")).toBe(1);
  });
});
