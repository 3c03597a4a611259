import { type ClientHttp2Session, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { KvService, PutRequestSchema } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { frameMessage, grpcHeaders } from "./grpc-wire.ts";

/** What a load wrote, and how long it took. */
export interface KeyLoad {
  readonly keys: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  readonly seconds: number;
  /** Requests that were answered with an error and sent again. */
  readonly retries: number;
}

/** What a load writes, and how. */
export interface KeyLoadOptions {
  /** host:port of the members; each gets its share. */
  readonly addresses: readonly string[];
  readonly valueBytes: number;
  /** Requests under way at all members together. */
  readonly inFlight: number;
  /** Number of the next key; `undefined` when there is none any more. */
  readonly nextKey: () => number | undefined;
}

const retriesMax = 1000;

/** Name of a key; all have the same length, and their order is not that in which they are written. */
export function keyName(number: number): string {
  return nameOfPlace(keyPlace(number));
}

/** Place of a key among 2 ** 32: the factor is odd, so that every number has its own. */
export function keyPlace(number: number): number {
  return Math.imul(number, 0x9e3779b1) >>> 0;
}

/** Name of the key at a place; the order of names is that of places. */
export function nameOfPlace(place: number): string {
  return `big/${place.toString(16).padStart(8, "0")}`;
}

/** Puts keys until there is none any more. Rejects when a connection breaks or a member goes on refusing. */
export async function loadKeys({ addresses, valueBytes, inFlight, nextKey }: KeyLoadOptions): Promise<KeyLoad> {
  const sessions = addresses.map((address) => connect(`http://${address}`));
  const startedAt = performance.now();
  let [keys, bytes, retries] = [0, 0, 0];
  const write = async (session: ClientHttp2Session): Promise<void> => {
    for (let number = nextKey(); number !== undefined; number = nextKey()) {
      const key = keyName(number);
      while (!(await put(session, key, valueAt(number, valueBytes)))) {
        retries++;
        if (retries > retriesMax) throw new Error(`${retries} requests were refused`);
      }
      keys++;
      bytes += key.length + valueBytes;
    }
  };
  try {
    const perSession = Math.ceil(inFlight / sessions.length);
    await Promise.all(sessions.flatMap((session) => Array.from({ length: perSession }, () => write(session))));
  } finally {
    for (const session of sessions) session.close();
  }
  return { keys, bytes, seconds: (performance.now() - startedAt) / 1000, retries };
}

/** Bytes that do not compress much: half of them differ from value to value. */
export function valueAt(number: number, length: number): Uint8Array {
  const value = new Uint8Array(length);
  let state = number + 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    value[at] = at % 2 === 0 ? state >>> 24 : 0x20;
  }
  return value;
}

/** Whether the request was answered with OK. Rejects when its connection breaks. */
function put(session: ClientHttp2Session, key: string, value: Uint8Array): Promise<boolean> {
  const request = create(PutRequestSchema, { key, payload: { case: "binaryValue", value } });
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": `/${KvService.typeName}/Put`, ...grpcHeaders });
    let status: unknown;
    stream.on("response", (headers) => {
      status = headers["grpc-status"];
    });
    stream.on("trailers", (trailers) => {
      status = trailers["grpc-status"];
    });
    stream.on("error", reject);
    stream.on("close", () => resolve(status === "0"));
    stream.resume();
    stream.end(frameMessage(toBinary(PutRequestSchema, request)));
  });
}
