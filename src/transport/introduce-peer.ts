import { checkHello, type HelloMismatch, unknownMember } from "./hello-check.ts";
import type { WireHello } from "./message-encoder.ts";
import type { PeerTransportHandlers } from "./peer-transport.ts";
import type { TransportIdentity } from "./transport-options.ts";

/** Who decides about peers. */
export interface Gatekeepers {
  readonly identity: TransportIdentity;
  readonly handlers: Pick<PeerTransportHandlers, "onHello">;
  readonly isPeer: (id: string) => boolean;
}

/** Why a peer is not to be heard, by what it says of itself or by what the replica knows of it; `undefined` when it is. */
export async function introducePeer(
  hello: WireHello,
  { identity, handlers, isPeer }: Gatekeepers,
): Promise<HelloMismatch | undefined> {
  const mismatch = checkHello(hello, identity);
  if (mismatch !== undefined) return mismatch;
  const { fromMemberId: memberId, name, dataDirectoryId, clientAddress, peerAddress } = hello;
  try {
    await handlers.onHello({ memberId, name, dataDirectoryId, clientAddress, peerAddress });
  } catch (error) {
    return { reason: "HELLO_REFUSED", message: error instanceof Error ? error.message : String(error) };
  }
  return isPeer(memberId) ? undefined : unknownMember(hello, identity);
}

/** How a member introduces itself to `peer`. */
export function helloTo(peer: string, identity: TransportIdentity, protocolVersion: number): WireHello {
  return {
    clusterId: identity.clusterId,
    fromMemberId: identity.memberId,
    toMemberId: peer,
    dataDirectoryId: identity.dataDirectoryId,
    protocolVersion,
    name: identity.name,
    clientAddress: identity.clientAddress,
    peerAddress: identity.peerAddress ?? "",
  };
}
