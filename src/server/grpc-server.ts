import { Server, ServerCredentials, type ServerInterceptor, type ServerOptions } from "@grpc/grpc-js";
import { RaftKvError } from "../lib/errors.ts";
import type { ServerLimits } from "./server-limits.ts";

// What is over the limit by no more than this still gets our answer, with limit and size, instead of the library's.
const messageMarginBytes = 64 * 1024;
const minuteMs = 60_000;

/**
 * A gRPC server for the client port. Every bound that grpc-js leaves open by default is set; connections end after 45
 * minutes (clients resolve names again only then), with a minute for what is under way on them.
 */
export function createGrpcServer(limits: ServerLimits, interceptors: ServerInterceptor[]): Server {
  const options: ServerOptions = {
    "grpc.max_concurrent_streams": limits.concurrentStreamsMax,
    "grpc.max_receive_message_length": limits.requestBytesMax + messageMarginBytes,
    "grpc.max_send_message_length": limits.requestBytesMax + messageMarginBytes,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.max_connection_age_ms": 45 * minuteMs,
    "grpc.max_connection_age_grace_ms": minuteMs,
    // Two processes on one port would share its connections without a word.
    "grpc.so_reuseport": 0,
    // Costs time on every call and serves nobody.
    "grpc.enable_channelz": 0,
    interceptors,
  };
  return new Server(options);
}

/** Listens on host:port and tells the port, which matters when 0 was asked for. Throws `ADDRESS_IN_USE`. */
export function bindGrpcServer(server: Server, address: string, credentials = ServerCredentials.createInsecure()) {
  return new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, port) => {
      if (cause === null) resolve(port);
      else reject(new RaftKvError("ADDRESS_IN_USE", `cannot listen on ${address} for clients`, { cause }));
    });
  });
}

/**
 * Stops accepting, lets the calls under way finish for at most `graceMs`, then cuts what is left. `address` is the one
 * listened on, with its real port. Open streams have to be ended before, because the library waits for them for ever.
 * Tells whether everything finished by itself.
 */
export function shutDownGrpcServer(server: Server, address: string, graceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    // Cuts the connections after the grace. `forceShutdown` would not: without channelz it knows of none.
    server.drain(address, graceMs);
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve(false);
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      server.forceShutdown();
      resolve(true);
    });
  });
}
