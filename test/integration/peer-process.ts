// A member in a process of its own, to be stopped by signals: peer-process.ts ADDRESS-OF-MEMBER-A.
// Prints its own address, then a line for every batch of messages.
import { GrpcPeerTransport } from "../../src/transport/grpc-peer-transport.ts";
import { identityOf } from "../transport/identity.ts";

const transport = new GrpcPeerTransport({ identity: identityOf("b"), listenAddress: "127.0.0.1:0" });
await transport.start({
  onMessages: (from, messages) => void process.stdout.write(`${messages.length} from ${from}\n`),
  onHello: async () => {},
  onUnreachable: () => {},
  onSnapshotChunk: () => Promise.reject(new Error("nothing is kept here")),
});
transport.setPeers([{ id: "a", name: "a", peerAddress: process.argv[2] ?? "" }]);
process.stdout.write(`${transport.address}\n`);
