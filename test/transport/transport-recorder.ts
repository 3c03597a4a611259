import { vi } from "vitest";
import type { MemberId } from "../../src/raft/configuration.ts";
import type { PeerHello, PeerMessage, PeerTransportHandlers } from "../../src/transport/peer-transport.ts";

/** Handlers that remember what they were called with. */
export interface TransportRecorder extends PeerTransportHandlers {
  readonly messages: PeerMessage[];
  readonly frames: { readonly from: MemberId; readonly count: number; readonly wireBytes: number }[];
  readonly hellos: PeerHello[];
  readonly unreachable: MemberId[];
}

/** Records; `onHello` decides about peers, default: everyone is welcome. */
export function recordTransport(onHello: (hello: PeerHello) => Promise<void> = async () => {}): TransportRecorder {
  const recorder: TransportRecorder = {
    messages: [],
    frames: [],
    hellos: [],
    unreachable: [],
    onMessages(from, messages, wireBytes) {
      recorder.messages.push(...messages);
      recorder.frames.push({ from, count: messages.length, wireBytes });
    },
    async onHello(hello) {
      recorder.hellos.push(hello);
      await onHello(hello);
    },
    onUnreachable(peer) {
      recorder.unreachable.push(peer);
    },
  };
  return recorder;
}

/** A message that a test can tell apart by its number. */
export function heartbeat(from: MemberId, to: MemberId, round: number): PeerMessage {
  return { type: "HeartbeatRequest", from, to, term: 1, commitIndex: 0, round };
}

/** Rounds of the heartbeats among `messages`. */
export function roundsOf(messages: readonly PeerMessage[]): number[] {
  return messages.flatMap((message) => (message.type === "HeartbeatRequest" ? [message.round] : []));
}

/** Waits until a state is reached; the test's own timeout is the limit. */
export async function until(reached: () => boolean): Promise<void> {
  await vi.waitFor(
    () => {
      if (!reached()) throw new Error("not yet");
    },
    { interval: 5, timeout: 20_000 },
  );
}
