import { Registry } from "prom-client";
import { expect, onTestFinished, test, vi } from "vitest";
import { type DiskSpace, registerDisk } from "../../src/server/disk-metrics.ts";

test("trap 94: a disk that hangs is asked once, and no scrape waits for it for long", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const registry = new Registry();
  const answers: ((space: DiskSpace) => void)[] = [];
  registerDisk(registry, () => new Promise((resolve) => answers.push(resolve)));
  const scrapes = [registry.metrics(), registry.metrics(), registry.metrics()];
  await vi.advanceTimersByTimeAsync(1000);
  for (const text of await Promise.all(scrapes)) expect(text).toContain("raftkv_disk_available_bytes 0\n");
  expect(answers).toHaveLength(1);
  const next = registry.metrics();
  answers[0]?.({ availableBytes: 7, capacityBytes: 9 });
  expect(await next).toMatch(/raftkv_disk_capacity_bytes 9\n[\s\S]*raftkv_disk_available_bytes 7\n/);
  void registry.metrics();
  expect(answers).toHaveLength(2);
});
