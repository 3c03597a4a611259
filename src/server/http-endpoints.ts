import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { ServerMetrics } from "./metrics.ts";
import { allWell, describeChecks, type ProbeCheck, type Probes } from "./probes.ts";

/** What the HTTP endpoints tell of. */
export interface HttpEndpointsOptions {
  readonly metrics: Pick<ServerMetrics, "expose">;
  readonly probes: Probes;
  readonly logger: Logger;
}

const plainText = "text/plain; charset=utf-8";
const prometheusText = "text/plain; version=0.0.4; charset=utf-8";
const openMetricsText = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** `/metrics`, `/livez`, `/readyz` and `/startupz`, on an address of their own and without TLS. */
export class HttpEndpoints {
  readonly #options: HttpEndpointsOptions;
  readonly #server: Server;

  constructor(options: HttpEndpointsOptions) {
    this.#options = options;
    this.#server = createServer(
      // Scrapers and probes send a line and a few headers; anything slow or big is neither.
      { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 60_000, maxHeaderSize: 16 * 1024 },
      (request, response) => this.#handle(request, response),
    );
    this.#server.maxConnections = 128;
  }

  /** Listens on host:port and tells the port, which matters when 0 was asked for. Throws `ADDRESS_IN_USE`. */
  async listen(address: string): Promise<number> {
    const { host, port } = splitAddress(address);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) => {
        reject(new RaftKvError("ADDRESS_IN_USE", `cannot listen on ${address} for metrics and probes`, { cause }));
      });
      this.#server.listen({ host, port, exclusive: true }, resolve);
    });
    const bound = this.#server.address();
    return typeof bound === "object" && bound !== null ? bound.port : port;
  }

  /** Stops listening and cuts every connection; idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    // A body is never wanted; what comes of one is let through unread.
    request.resume();
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const answer = this.#endpoint(path);
    if (answer === undefined) {
      send(
        response,
        404,
        plainText,
        `${path.slice(0, 200)} is not served; try /metrics, /livez, /readyz or /startupz\n`,
      );
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      send(response, 405, plainText, `${request.method} is not allowed; only GET and HEAD are\n`);
    } else {
      answer(request, response, new URLSearchParams(query).has("verbose"));
    }
  }

  #endpoint(
    path: string,
  ): ((request: IncomingMessage, response: ServerResponse, verbose: boolean) => void) | undefined {
    const { probes } = this.#options;
    switch (path) {
      case "/metrics":
        return (request, response) => this.#metrics(request, response);
      case "/livez":
        return (_request, response, verbose) => sendProbe(response, probes.live(), verbose);
      case "/readyz":
        return (_request, response, verbose) => sendProbe(response, probes.ready(), verbose);
      case "/startupz":
        return (_request, response, verbose) => sendProbe(response, probes.started(), verbose);
      default:
        return undefined;
    }
  }

  #metrics(request: IncomingMessage, response: ServerResponse): void {
    const openMetrics = request.headers.accept?.includes("application/openmetrics-text") ?? false;
    this.#options.metrics.expose(openMetrics ? "openmetrics" : "prometheus").then(
      (text) => send(response, 200, openMetrics ? openMetricsText : prometheusText, text),
      (error: unknown) => {
        this.#options.logger.error({ error }, "metrics could not be collected");
        send(response, 500, plainText, "metrics could not be collected; the member's log has the cause\n");
      },
    );
  }
}

/** Host and port of "host:port" or "[v6]:port". */
function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(address.slice(colon + 1)) };
}

function sendProbe(response: ServerResponse, checks: readonly ProbeCheck[], verbose: boolean): void {
  const well = allWell(checks);
  const body = verbose || !well ? describeChecks(checks) : "";
  send(response, well ? 200 : 503, plainText, `${body}${well ? "ok" : "failed"}\n`);
}

function send(response: ServerResponse, statusCode: number, contentType: string, body: string): void {
  response.writeHead(statusCode, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(body);
}
