import { Client, credentials, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { bufferOver, deliverMethod } from "../../src/transport/deliver-method.ts";
import { encodeHello, type WireHello } from "../../src/transport/message-encoder.ts";
import { refusalReasonKey } from "../../src/transport/refusal.ts";
import { protocolVersion } from "../../src/transport/transport-options.ts";
import { identityOf } from "../transport/identity.ts";

/** How a stream ended. */
export interface StreamEnd {
  readonly code: number;
  readonly details: string;
  readonly reason: string | undefined;
}

/** A peer that says what the test wants, without any manners of its own. */
export interface RawPeer {
  write(frame: Uint8Array): void;
  end(): void;
  close(): void;
  /** Resolves when the receiver acknowledged the hello. */
  readonly accepted: Promise<Metadata>;
  readonly ended: Promise<StreamEnd>;
}

export function openRawPeer(address: string): RawPeer {
  const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  let finish: (error: ServiceError | null) => void = () => {};
  const call = client.makeClientStreamRequest(
    deliverMethod.path,
    deliverMethod.requestSerialize,
    deliverMethod.responseDeserialize,
    (error) => finish(error),
  );
  call.on("error", () => {});
  const ended = new Promise<StreamEnd>((resolve) => {
    finish = (error) => {
      const reason = error?.metadata.get(refusalReasonKey)[0]?.toString();
      resolve({ code: error?.code ?? 0, details: error?.details ?? "", reason });
      client.close();
    };
  });
  return {
    write: (frame) => void call.write(bufferOver(frame)),
    end: () => void call.end(),
    close: () => call.cancel(),
    accepted: new Promise((resolve) => call.once("metadata", resolve)),
    ended,
  };
}

/** A hello of member "a" to member "b", as an encoded frame. */
export function helloFrame(overrides: Partial<WireHello> = {}): Uint8Array {
  const { clusterId, name, dataDirectoryId, clientAddress, peerAddress = "" } = identityOf("a");
  const ids = { fromMemberId: "a", toMemberId: "b" };
  return encodeHello({
    clusterId,
    name,
    dataDirectoryId,
    clientAddress,
    peerAddress,
    protocolVersion,
    ...ids,
    ...overrides,
  });
}
