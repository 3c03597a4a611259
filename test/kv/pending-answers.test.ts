import { describe, expect, test } from "vitest";
import { Driver, increment, put, requestId } from "./driver.ts";

/** An increment of one key as request `sequence` of session `client`. */
const count = (client: string, sequence: number, firstPending = 1) =>
  increment("n", 1n, { id: requestId(client, sequence, firstPending) });

describe("pending answers", () => {
  test("are limited in number until the client gives some up", () => {
    const driver = new Driver({ pendingAnswersMax: 3 });
    for (let sequence = 1; sequence <= 3; sequence++) driver.apply(count("c", sequence));
    expect(driver.outcome(count("c", 4))).toBe("TOO_MANY_PENDING");
    expect(driver.outcome(count("c", 3))).toBe("increment");
    expect(driver.outcome(count("c", 4, 2))).toBe("increment");
    expect(driver.outcome(count("c", 5, 2))).toBe("TOO_MANY_PENDING");
    expect(driver.value("n")).toBe("4");
    expect(driver.rows.count("a")).toBe(3);
  });

  test("are limited in bytes, at once when the client gives a large one up", () => {
    const driver = new Driver({ largeAnswerBytes: 100, largeAnswersBytesMax: 300, answersRemovedPerCommandMax: 1 });
    const swap = (sequence: number, firstPending = 1) =>
      put("a", "x".repeat(200), { previous: true, id: requestId("c", sequence, firstPending) });
    for (let sequence = 1; sequence <= 3; sequence++) expect(driver.outcome(swap(sequence))).toBe("put");
    expect(driver.outcome(swap(4))).toBe("TOO_MANY_PENDING");
    expect(driver.outcome(swap(4, 2))).toBe("TOO_MANY_PENDING");
    expect(driver.outcome(swap(4, 4))).toBe("put");
  });

  test("that are large leave nothing in the session's row when they are given up", () => {
    const driver = new Driver({ largeAnswerBytes: 1 });
    for (let sequence = 1; sequence <= 50; sequence++) driver.apply(count("c", sequence, sequence));
    const rows = driver.rows.snapshot().filter(([key]) => key.startsWith("s"));
    expect(rows.map(([, row]) => row.length < 40)).toEqual([true]);
  });

  test("that were given up go a bounded number of rows a command", () => {
    const driver = new Driver({ answersRemovedPerCommandMax: 4 });
    for (let sequence = 1; sequence <= 10; sequence++) driver.apply(count("c", sequence));
    const held = [11, 12, 13].map((sequence) => {
      driver.apply(count("c", sequence, 11));
      return driver.rows.count("a");
    });
    expect(held).toEqual([7, 4, 3]);
    for (let sequence = 1; sequence <= 10; sequence++) {
      expect(driver.outcome(count("c", sequence))).toBe("SEQUENCE_ANSWERED");
    }
  });

  test("in order cost the session's row no more when they are many", () => {
    const driver = new Driver();
    for (let sequence = 1; sequence <= 4096; sequence++) driver.apply(count("c", sequence));
    const sizes = driver.rows.snapshot().filter(([key]) => key.startsWith("s"));
    expect(sizes.map(([, row]) => row.length < 40)).toEqual([true]);
    expect(driver.outcome(count("c", 4097))).toBe("TOO_MANY_PENDING");
  });
});
