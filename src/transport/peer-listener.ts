import { createServer, type Server as NetServer, type Socket } from "node:net";
import type { Server, ServerCredentials } from "@grpc/grpc-js";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";

/** Where to listen, and how many may come. */
export interface PeerListenerOptions {
  /** host:port; an IPv6 host in brackets. */
  readonly address: string;
  readonly credentials: ServerCredentials;
  readonly connectionsMax: number;
  readonly logger: Logger;
}

/**
 * Accepts connections for a gRPC server. The socket is ours rather than grpc-js's, which would listen on some of a
 * name's addresses when others are taken, and has no limit on connections.
 */
export class PeerListener {
  readonly #server: Server;
  readonly #options: PeerListenerOptions;
  readonly #net: NetServer;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server, options: PeerListenerOptions) {
    this.#server = server;
    this.#options = options;
    const injector = server.createConnectionInjector(options.credentials);
    this.#net = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      injector.injectConnection(socket);
    });
    this.#net.maxConnections = options.connectionsMax;
  }

  get isListening(): boolean {
    return this.#net.listening;
  }

  /** host:port with the actual port. */
  get address(): string {
    const { host } = splitAddress(this.#options.address);
    const bound = this.#net.address();
    const port = bound !== null && typeof bound === "object" ? bound.port : 0;
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }

  /** Rejects with `ADDRESS_IN_USE` when the address cannot be bound. */
  async listen(): Promise<void> {
    const { address, logger } = this.#options;
    try {
      const { host, port } = splitAddress(address);
      await new Promise<void>((resolve, reject) => {
        this.#net.once("error", reject);
        this.#net.listen({ host, port }, resolve);
      });
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new RaftKvError("ADDRESS_IN_USE", `cannot listen for peers on ${address}: ${detail}`, { cause });
    }
    this.#net.removeAllListeners("error");
    this.#net.on("error", (error) => logger.error({ address, error: error.message }, "peer listener failed"));
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#net.close(() => resolve());
    });
    this.#server.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(address.slice(at + 1)) };
}
