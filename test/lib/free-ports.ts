import { createServer } from "node:net";

// Below the range from which the kernel takes ports for outgoing connections: a port stays free while its member is down.
const lowestPort = 15_000;
const highestPort = 32_000;

/** Finds `count` different loopback ports that nothing listens on. Rejects after 50 times as many candidates. */
export async function findFreePorts(count: number): Promise<number[]> {
  const free = new Set<number>();
  for (let tries = 0; free.size < count; tries++) {
    if (tries === count * 50) throw new Error(`found only ${free.size} of ${count} free ports`);
    const candidate = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort));
    if (await isPortFree(candidate)) free.add(candidate);
  }
  return [...free];
}

/** Finds the first of `length` consecutive loopback ports that nothing listens on. Rejects after 200 tries. */
export async function findFreePortRun(length: number): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const first = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort - length));
    const free = await Promise.all(Array.from({ length }, (_, offset) => isPortFree(first + offset)));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`found no ${length} consecutive free ports`);
}

/** Tells whether `port` of 127.0.0.1 can be bound now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
