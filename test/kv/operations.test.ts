import { describe, expect, test } from "vitest";
import { Driver, del, increment, put, textOf, utf8 } from "./driver.ts";

const versions = (driver: Driver, key: string) => {
  const pair = driver.pair(key);
  return pair && [pair.createRevision, pair.modRevision, pair.version].map(Number);
};

describe("put", () => {
  test("creates at a revision of the store and keeps it while it is rewritten", () => {
    const driver = new Driver();
    driver.apply(put("other", "x"));
    expect(driver.apply(put("a", "1")).revision).toBe(2n);
    expect(versions(driver, "a")).toEqual([2, 2, 1]);
    driver.apply(put("a", "22"));
    expect(versions(driver, "a")).toEqual([2, 3, 2]);
    expect(driver.summary()).toMatchObject({ revision: 3n, keys: 2, sizeBytes: 6 + 3 });
  });

  test("starts versions anew after a deletion", () => {
    const driver = new Driver();
    driver.apply(put("a", "1"));
    driver.apply(put("a", "2"));
    driver.apply(del("a"));
    driver.apply(put("a", "3"));
    expect(versions(driver, "a")).toEqual([4, 4, 1]);
  });

  test("keeps the form in which a value was written", () => {
    const driver = new Driver();
    driver.apply(put("text", "1"));
    driver.apply(put("binary", Uint8Array.of(0, 255)));
    expect(driver.pair("text")?.value?.text).toBe(true);
    expect(driver.pair("binary")?.value).toMatchObject({ data: Uint8Array.of(0, 255), text: false });
  });

  test("answers with the replaced pair only when asked", () => {
    const driver = new Driver();
    driver.apply(put("a", "old"));
    expect(driver.apply(put("a", "new")).result.value).not.toHaveProperty("previous");
    const { result } = driver.apply(put("a", "newest", { previous: true }));
    expect(result.case === "put" && textOf(result.value.previous?.value?.data)).toBe("new");
    expect(result.case === "put" && result.value.previous?.modRevision).toBe(2n);
  });

  test.each([
    { condition: 0, holds: false },
    { condition: 1, holds: false },
    { condition: 2, holds: true },
    { condition: 3, holds: false },
  ])("with if_mod_revision $condition of a key changed at 2: applied $holds", ({ condition, holds }) => {
    const driver = new Driver();
    driver.apply(put("other", "x"));
    driver.apply(put("a", "1"));
    const { revision, result } = driver.apply(put("a", "2", { if: condition }));
    expect(result.case === "put" && result.value.applied).toBe(holds);
    expect(revision).toBe(holds ? 3n : 2n);
    expect(driver.value("a")).toBe(holds ? "2" : "1");
    expect(result.case === "put" && textOf(result.value.previous?.value?.data)).toBe(holds ? undefined : "1");
  });

  test("with if_mod_revision 0 creates a missing key, and with another one does not", () => {
    const driver = new Driver();
    const refused = driver.apply(put("a", "1", { if: 7 })).result.value;
    expect(refused).toMatchObject({ applied: false });
    expect(refused).not.toHaveProperty("previous");
    expect(driver.summary().revision).toBe(0n);
    expect(driver.apply(put("a", "1", { if: 0 })).result.value).toMatchObject({ applied: true });
  });
});

describe("delete", () => {
  test("removes a key at a revision of its own", () => {
    const driver = new Driver();
    driver.apply(put("a", "1"));
    const { revision, result } = driver.apply(del("a", { previous: true }));
    expect(revision).toBe(2n);
    expect(result.value).toMatchObject({ applied: true, deleted: true });
    expect(result.case === "delete" && textOf(result.value.previous?.value?.data)).toBe("1");
    expect(driver.pair("a")).toBeUndefined();
    expect(driver.summary()).toMatchObject({ keys: 0, sizeBytes: 0 });
  });

  test("of a missing key takes no revision", () => {
    const driver = new Driver();
    driver.apply(put("a", "1"));
    const { revision, result } = driver.apply(del("b"));
    expect(revision).toBe(1n);
    expect(result.value).toMatchObject({ applied: true, deleted: false });
    expect(result.value).not.toHaveProperty("previous");
  });

  test("does nothing when its condition does not hold", () => {
    const driver = new Driver();
    driver.apply(put("a", "1"));
    const { result } = driver.apply(del("a", { if: 9 }));
    expect(result.value).toMatchObject({ applied: false, deleted: false });
    expect(result.case === "delete" && result.value.previous?.modRevision).toBe(1n);
    expect(driver.value("a")).toBe("1");
  });
});

describe("increment", () => {
  test("counts a missing key as 0 and stores decimal text", () => {
    const driver = new Driver();
    expect(driver.apply(increment("n", 5n)).result.value).toMatchObject({ applied: true, value: 5n });
    expect(driver.apply(increment("n", -7n)).result.value).toMatchObject({ value: -2n });
    expect(driver.value("n")).toBe("-2");
    expect(driver.pair("n")?.value?.text).toBe(true);
    expect(versions(driver, "n")).toEqual([1, 2, 2]);
  });

  test("takes digits that were written as bytes", () => {
    const driver = new Driver();
    driver.apply(put("n", utf8("41")));
    driver.apply(increment("n", 1n));
    expect(driver.pair("n")?.value).toMatchObject({ data: utf8("42"), text: true });
  });

  test.each([
    "",
    "-",
    "+1",
    " 1",
    "1 ",
    "0x1",
    "1e3",
    "1.0",
    "01",
    "-0",
    "-01",
    "١",
    "abc",
    "9223372036854775808",
    "1".repeat(30),
  ])("refuses %j, naming the key", (text) => {
    const driver = new Driver();
    driver.apply(put('na"me', text));
    const { revision, result } = driver.apply(increment('na"me', 1n));
    expect(result.case === "failure" && result.value.message).toContain('"na\\"me"');
    expect(driver.outcome(increment('na"me', 1n))).toBe("NOT_AN_INTEGER");
    expect(revision).toBe(1n);
    expect(driver.value('na"me')).toBe(text);
  });

  test("reaches both bounds of 64 bits and goes beyond neither", () => {
    const driver = new Driver();
    const max = 2n ** 63n - 1n;
    const min = -(2n ** 63n);
    driver.apply(increment("max", max));
    driver.apply(increment("min", min));
    expect(driver.value("min")).toBe("-9223372036854775808");
    expect(driver.outcome(increment("min", -1n))).toBe("INTEGER_OVERFLOW");
    const { result } = driver.apply(increment("max", 3n));
    const message = result.case === "failure" ? result.value.message : "";
    for (const part of ['"max"', `${max}`, "adding 3", `${min} to ${max}`]) expect(message).toContain(part);
    expect(driver.value("max")).toBe(`${max}`);
    expect(driver.apply(increment("max", min)).result.value).toMatchObject({ value: -1n });
  });

  test("does nothing when its condition does not hold, whatever the value", () => {
    const driver = new Driver();
    driver.apply(put("n", "no number"));
    expect(driver.apply(increment("n", 1n, { if: 0 })).result.value).toMatchObject({ applied: false, value: 0n });
  });

  test("shortens a long key in its message", () => {
    const driver = new Driver();
    const key = `${"é".repeat(100)}`;
    driver.apply(put(key, "x"));
    const { result } = driver.apply(increment(key, 1n));
    const message = result.case === "failure" ? result.value.message : "";
    expect(message).toContain("\\xc3\\xa9");
    expect(message).toContain("(200 bytes)");
    expect(message.length).toBeLessThan(400);
  });
});
