import { connect, type IncomingHttpHeaders } from "node:http2";

/** Headers of every unary gRPC request. */
export const grpcHeaders = { "content-type": "application/grpc", te: "trailers" } as const;

/** Puts the five bytes before a message that gRPC wants: not compressed, length. */
export function frameMessage(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/**
 * One unary call on a connection of its own: for setting up and for checking, not for load.
 * Rejects on a gRPC status other than OK, on a broken connection and after 5 s.
 */
export function callOnce(address: string, path: string, message: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${address}`);
    const finish = (error: Error | undefined, body: Buffer) => {
      session.close();
      if (error === undefined) resolve(body.subarray(5));
      else reject(error);
    };
    session.once("error", reject);
    const stream = session.request({ ":method": "POST", ":path": path, ...grpcHeaders });
    const chunks: Buffer[] = [];
    let status: string | undefined;
    const readStatus = (headers: IncomingHttpHeaders) => {
      const given = headers["grpc-status"];
      if (given !== undefined) status = [given, headers["grpc-message"]].join(" ");
    };
    stream.on("response", readStatus);
    stream.on("trailers", readStatus);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      const ok = status?.startsWith("0 ") === true;
      finish(
        ok ? undefined : new Error(`${address}${path}: grpc-status ${status ?? "missing"}`),
        Buffer.concat(chunks),
      );
    });
    stream.setTimeout(5_000, () => stream.close());
    stream.end(frameMessage(message));
  });
}
