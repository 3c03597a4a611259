import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { messageSize } from "../../src/transport/message-encoder.ts";
import { MessageQueue } from "../../src/transport/message-queue.ts";
import { heartbeat, roundsOf } from "./transport-recorder.ts";

const size = messageSize(heartbeat("a", "b", 0));

describe("message queue", () => {
  test("takes as many messages a frame as the target size allows", () => {
    const queue = new MessageQueue({ queueBytesMax: 10_000, queueMessagesMax: 100, frameBytesTarget: 2 * size });
    expect(queue.push([1, 2, 3, 4, 5].map((round) => heartbeat("a", "b", round)))).toBe(true);
    const frames = [queue.takeFrame(), queue.takeFrame(), queue.takeFrame(), queue.takeFrame()];
    expect(frames.map(roundsOf)).toEqual([[1, 2], [3, 4], [5], []]);
  });

  test("gives a message larger than a frame a frame of its own", () => {
    const queue = new MessageQueue({ queueBytesMax: 10_000, queueMessagesMax: 100, frameBytesTarget: 1 });
    queue.push([heartbeat("a", "b", 1), heartbeat("a", "b", 2)]);
    expect(roundsOf(queue.takeFrame())).toEqual([1]);
    expect(roundsOf(queue.takeFrame())).toEqual([2]);
  });

  test("takes all of a push or nothing, by count and by bytes", () => {
    const two = [heartbeat("a", "b", 1), heartbeat("a", "b", 2)];
    const byCount = new MessageQueue({ queueBytesMax: 10_000, queueMessagesMax: 3, frameBytesTarget: 10_000 });
    const byBytes = new MessageQueue({ queueBytesMax: 3 * size, queueMessagesMax: 100, frameBytesTarget: 10_000 });
    for (const queue of [byCount, byBytes]) {
      expect([queue.push(two), queue.push(two), queue.length]).toEqual([true, false, 2]);
      expect([queue.clear(), queue.length, queue.push(two)]).toEqual([2, 0, true]);
    }
  });

  test("keeps the order, and its limits, whatever is pushed and taken", () => {
    const step = fc.oneof(fc.record({ push: fc.nat(9) }), fc.constant("take" as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new MessageQueue({ queueBytesMax: 20 * size, queueMessagesMax: 15, frameBytesTarget: 4 * size });
        const expected: number[] = [];
        let next = 0;
        for (const action of steps) {
          if (action === "take") {
            expect(roundsOf(queue.takeFrame())).toEqual(expected.splice(0, 4));
            continue;
          }
          const rounds = Array.from({ length: action.push }, () => next++);
          const fits = expected.length + rounds.length <= 15;
          expect(queue.push(rounds.map((round) => heartbeat("a", "b", round)))).toBe(fits);
          if (fits) expected.push(...rounds);
          expect(queue.length).toBe(expected.length);
        }
      }),
    );
  });
});
