/** How {@link waitUntil} waits. */
export interface WaitOptions {
  /** What is waited for, for the message of the failure. */
  readonly what: string;
  /** Milliseconds after which it fails; 45 000 by default: long enough for the start of processes on a machine that has other work. */
  readonly timeoutMs?: number;
  /** Milliseconds between two looks; 20 by default. */
  readonly intervalMs?: number;
}

/**
 * Looks again and again until `look` gives something other than `undefined` or `false`, and resolves to that.
 * Rejects, naming what was waited for, when the time is up; errors of `look` pass through.
 */
export async function waitUntil<T>(
  look: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, undefined | false>> {
  const { what, timeoutMs = 45_000, intervalMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>;
    if (performance.now() >= deadline) throw new Error(`not seen within ${timeoutMs} ms: ${what}`);
    await pause(intervalMs);
  }
}

/** Resolves after `ms` milliseconds: the time between two looks or two attempts, never a wait for something to happen. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
