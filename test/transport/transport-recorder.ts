import { vi } from "vitest";
import type { MemberId } from "../../src/raft/configuration.ts";
import type { PeerHello, PeerMessage, PeerTransportHandlers } from "../../src/transport/peer-transport.ts";
import type { SnapshotChunkRequest } from "../../src/transport/snapshot-transfer.ts";

/** Handlers that remember what they were called with. */
export interface TransportRecorder extends PeerTransportHandlers {
  readonly messages: PeerMessage[];
  readonly frames: { readonly from: MemberId; readonly count: number; readonly wireBytes: number }[];
  readonly hellos: PeerHello[];
  readonly unreachable: MemberId[];
  readonly fetches: { readonly from: MemberId; readonly request: SnapshotChunkRequest }[];
}

/** Records; `onHello` decides about peers, default: everyone is welcome. `answer` gives rows of snapshots, default: there are none. */
export function recordTransport(
  onHello: (hello: PeerHello) => Promise<void> = async () => {},
  answer: PeerTransportHandlers["onSnapshotChunk"] = () => Promise.reject(new Error("no snapshots here")),
): TransportRecorder {
  const recorder: TransportRecorder = {
    messages: [],
    frames: [],
    hellos: [],
    unreachable: [],
    fetches: [],
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
    onSnapshotChunk(from, request) {
      recorder.fetches.push({ from, request });
      return answer(from, request);
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
