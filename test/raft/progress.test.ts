import { describe, expect, test } from "vitest";
import { Progress } from "../../src/raft/progress.ts";

const limits = { messages: 2, bytes: 1000 };

/** Known to match up to `matchIndex`. */
function replicating(matchIndex: number): Progress {
  const progress = new Progress(matchIndex + 1, limits, 0);
  progress.matched(matchIndex);
  progress.becomeReplicate();
  return progress;
}

describe("probe", () => {
  test("sends one message, then waits", () => {
    const progress = new Progress(5, limits, 0);
    expect(progress.canSend).toBe(true);
    progress.sent(7, 100);
    expect(progress).toMatchObject({ canSend: false, nextIndex: 5, state: "probe" });
  });

  test("a refusal of the present probe moves it back by what both logs say", () => {
    const progress = new Progress(10, limits, 0);
    progress.sent(9, 0);
    expect(progress.rejected(9, 3)).toBe(true);
    expect(progress).toMatchObject({ nextIndex: 4, canSend: true });
  });

  test("each refusal moves it back by at least one", () => {
    const progress = new Progress(10, limits, 0);
    for (let rejected = 9; rejected >= 1; rejected--) {
      expect(progress.rejected(rejected, 100)).toBe(true);
      expect(progress.nextIndex).toBe(rejected);
    }
  });

  test("a late refusal changes nothing", () => {
    const progress = new Progress(10, limits, 0);
    progress.sent(9, 0);
    for (const rejected of [3, 8, 10]) expect(progress.rejected(rejected, 1)).toBe(false);
    expect(progress).toMatchObject({ nextIndex: 10, canSend: false });
  });
});

describe("replicate", () => {
  test("sends on without waiting, up to the window", () => {
    const progress = replicating(4);
    progress.sent(6, 10);
    progress.sent(8, 10);
    expect(progress).toMatchObject({ nextIndex: 9, canSend: false });
    expect(progress.matched(6)).toBe(true);
    expect(progress).toMatchObject({ nextIndex: 9, matchIndex: 6, canSend: true });
  });

  test("a refusal beyond what matches begins a probe there", () => {
    const progress = replicating(4);
    progress.sent(6, 10);
    expect(progress.rejected(6, 0)).toBe(true);
    expect(progress).toMatchObject({ state: "probe", nextIndex: 5, matchIndex: 4, canSend: true });
    expect(progress.inflights.count).toBe(0);
  });

  test("a refusal of what is known to match is late", () => {
    const progress = replicating(4);
    expect(progress.rejected(4, 0)).toBe(false);
    expect(progress.state).toBe("replicate");
  });

  test("an acknowledgement never moves match back", () => {
    const progress = replicating(4);
    expect(progress.matched(3)).toBe(false);
    expect(progress).toMatchObject({ matchIndex: 4, nextIndex: 5 });
  });
});

describe("snapshot", () => {
  test("announces once, then waits; what was under way is forgotten", () => {
    const progress = replicating(4);
    progress.sent(6, 10);
    progress.becomeSnapshot(7);
    expect(progress).toMatchObject({ state: "snapshot", matchIndex: 4, nextIndex: 8, canSend: true });
    expect(progress.inflights).toMatchObject({ count: 0, bytes: 0 });
    progress.probeSent = true;
    expect(progress.canSend).toBe(false);
  });

  test("announces though entries are being read for it", () => {
    const progress = replicating(4);
    progress.readingLog = true;
    progress.becomeSnapshot(7);
    expect(progress.canSend).toBe(true);
  });

  test("refusals are of what was sent before, and change nothing", () => {
    const progress = replicating(4);
    progress.becomeSnapshot(7);
    for (const rejected of [5, 7, 9]) expect(progress.rejected(rejected, 0)).toBe(false);
    expect(progress).toMatchObject({ state: "snapshot", nextIndex: 8 });
  });
});

test("nothing is sent while entries are read from the store", () => {
  const progress = replicating(4);
  progress.readingLog = true;
  expect(progress.canSend).toBe(false);
});
