import { expect, test } from "vitest";
import { type WaitingTime, whileWaiting } from "../../src/cli/waiting-line.ts";

/** Lets `seconds` go by while something is waited for, and gives what was written. */
async function written(isTTY: boolean, seconds: number, outcome: () => Promise<string>): Promise<string> {
  let nowMs = 0;
  let text = "";
  let stopped = false;
  let tell: (() => void) | undefined;
  const time: WaitingTime = {
    now: () => nowMs,
    every: (call) => {
      tell = call;
      return () => {
        stopped = true;
      };
    },
  };
  const work = async () => {
    for (; nowMs <= seconds * 1000; nowMs += 500) tell?.();
    return outcome();
  };
  const out = { isTTY, write: (chunk: string | Uint8Array) => (text += String(chunk)) };
  expect(await whileWaiting(out, () => "reading", work, time).catch((error: unknown) => String(error))).toMatch(/done/);
  expect(stopped).toBe(isTTY);
  return text;
}

test("what is waited for is told on a terminal, after a second, until it ends", async () => {
  const done = async () => "done";
  expect((await written(true, 2, done)).split("\r\u001b[K")).toEqual([
    "",
    "reading, 1 s",
    "reading, 1 s",
    "reading, 2 s\n",
  ]);
  expect(await written(true, 0.5, done)).toBe("");
  expect(await written(false, 2, done)).toBe("");
  expect(await written(true, 1, () => Promise.reject(new Error("not done")))).toBe("\r\u001b[Kreading, 1 s\n");
});
