import { describe, expect, test } from "vitest";
import { createInProcessNetwork, type InProcessNetwork } from "../../src/transport/in-process-network.ts";
import { identityOf } from "./identity.ts";
import { heartbeat, recordTransport, roundsOf, until } from "./transport-recorder.ts";

async function open(network: InProcessNetwork, id: string, peer: string) {
  const transport = network.createTransport(identityOf(id));
  const recorder = recordTransport();
  await transport.start(recorder);
  transport.setPeers([{ id: peer, name: peer, peerAddress: "" }]);
  return { transport, recorder, isConnected: () => transport.stats().get(peer)?.connected === true };
}

describe("in-process network", () => {
  test("a cut link loses what is under way, reports it on both sides, and heals", async () => {
    const network = createInProcessNetwork();
    const [a, b] = [await open(network, "a", "b"), await open(network, "b", "a")];
    await until(() => a.isConnected() && b.isConnected());
    a.transport.send("b", [heartbeat("a", "b", 1)]);
    network.cut("b", "a");
    a.transport.send("b", [heartbeat("a", "b", 2)]);
    await until(() => a.recorder.unreachable.length === 2 && b.recorder.unreachable.length === 1);
    expect(a.transport.stats().get("b")).toMatchObject({ connected: false, disconnects: 1, sendFailures: 2 });
    a.transport.send("b", [heartbeat("a", "b", 2)]);
    await until(() => a.recorder.unreachable.length === 3);

    network.heal("a", "b");
    await until(() => a.isConnected() && b.isConnected());
    a.transport.send("b", [heartbeat("a", "b", 3)]);
    await until(() => b.recorder.messages.length > 0);
    expect(roundsOf(b.recorder.messages)).toEqual([3]);
  });

  test("takes no second transport for a member until the first is closed", async () => {
    const network = createInProcessNetwork();
    const a = await open(network, "a", "b");
    expect(() => network.createTransport(identityOf("a"))).toThrow(/member a has a transport already/);
    await a.transport.close();
    expect(() => network.createTransport(identityOf("a"))).not.toThrow();
  });
});
