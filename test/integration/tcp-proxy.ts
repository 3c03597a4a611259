import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** One connection through a {@link TcpProxy}. */
export interface ProxiedConnection {
  /** Stops carrying bytes either way; the ends do not hear of it. */
  stall(): void;
  /** What the server says from now on comes with one byte changed in every piece. */
  damage(): void;
  readonly isOpen: boolean;
}

/** Stands between a client and a server, and sees each connection. */
export interface TcpProxy {
  readonly address: string;
  /** In the order in which they were made. */
  readonly connections: readonly ProxiedConnection[];
  /** Breaks every connection, and each new one, until it is healed. */
  cut(): void;
  heal(): void;
  close(): Promise<void>;
}

/** A proxy in front of 127.0.0.1:`port`. */
export async function openTcpProxy(port: number): Promise<TcpProxy> {
  const connections: ProxiedConnection[] = [];
  const sockets = new Set<Socket>();
  let cut = false;
  const server = createServer((client) => {
    if (cut) {
      client.destroy();
      return;
    }
    const upstream = connect(port, "127.0.0.1");
    let damaged = false;
    let open = true;
    const end = () => {
      open = false;
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", end).on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    client.on("data", (data) => void upstream.write(data));
    upstream.on("data", (data) => {
      const last = data.length - 1;
      if (damaged) data.writeUInt8(data.readUInt8(last) ^ 1, last);
      client.write(data);
    });
    connections.push({
      stall() {
        client.pause();
        upstream.pause();
      },
      damage() {
        damaged = true;
      },
      get isOpen() {
        return open;
      },
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  return {
    address: `127.0.0.1:${bound !== null && typeof bound === "object" ? bound.port : 0}`,
    connections,
    cut() {
      cut = true;
      for (const socket of sockets) socket.destroy();
    },
    heal() {
      cut = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
