import type { CliOutput } from "./cli-io.ts";

const firstMs = 1000;
const intervalMs = 500;

/** Clock in milliseconds and repeated calls, of the process or a test's. */
export interface WaitingTime {
  readonly now: () => number;
  /** Calls `tell` every so many milliseconds; what is returned ends that. */
  readonly every: (tell: () => void, ms: number) => () => void;
}

const processTime: WaitingTime = {
  now: () => performance.now(),
  every: (tell, ms) => {
    const timer = setInterval(tell, ms);
    return () => clearInterval(timer);
  },
};

/**
 * What `work` gives; meanwhile tells on a terminal, on one line that is written over, what is waited for and how long it has taken:
 * for work that cannot tell how many bytes are done. Nothing elsewhere, nor in the first second. `what` is asked each time.
 */
export async function whileWaiting<T>(
  out: CliOutput,
  what: () => string,
  work: () => Promise<T>,
  { now, every }: WaitingTime = processTime,
): Promise<T> {
  if (out.isTTY !== true) return work();
  const beganMs = now();
  let written = false;
  const stop = every(() => {
    const waitedMs = now() - beganMs;
    if (waitedMs < firstMs) return;
    out.write(`\r\u001b[K${what()}, ${Math.floor(waitedMs / 1000)} s`);
    written = true;
  }, intervalMs);
  try {
    return await work();
  } finally {
    stop();
    if (written) out.write("\n");
  }
}
