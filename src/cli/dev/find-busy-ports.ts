import { createServer } from "node:net";

/** Which of the ports of the loopback interface somebody listens on, or may not be listened on. */
export async function findBusyPorts(ports: readonly number[]): Promise<number[]> {
  const busy = await Promise.all(ports.map(isBusy));
  return ports.filter((_, position) => busy[position]);
}

function isBusy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(true));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(false)));
  });
}
