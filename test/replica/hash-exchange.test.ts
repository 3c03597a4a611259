import { beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { HashExchange } from "../../src/replica/hash-exchange.ts";
import { defaultIntegrityOptions } from "../../src/replica/integrity-options.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import type { PeerMessage, PeerTransport, StateHashReport } from "../../src/transport/peer-transport.ts";

let sent: StateHashReport[];
let compared: string[];
let outvoted: string[];
let exchange: HashExchange;

beforeEach(() => {
  [sent, compared, outvoted] = [[], [], []];
  const configuration = votersOnly(["a", "b", "c"].map((id) => ({ id, name: id, peerAddress: id })));
  const node: unknown = { id: "a", configuration, reachableMembers: configuration.members };
  const transport: unknown = {
    send: (_to: string, messages: readonly PeerMessage[]) => {
      for (const message of messages) if (message.type === "StateHashReport") sent.push(message);
    },
  };
  exchange = new HashExchange({
    node: node as RaftNode,
    transport: transport as PeerTransport,
    options: {
      ...defaultReplicaOptions,
      integrity: { ...defaultIntegrityOptions, resultsMax: 2, askIntervalMs: 10, askForMs: 100 },
    },
    metrics: { ...silentMetrics, hashCompared: (result) => void compared.push(result) },
    logger: silentLogger,
    outvoted: (_own, majority) => void outvoted.push(majority),
  });
});

function publish(index: number, hash: string, nowMs = 0): void {
  exchange.publish({ index, hash, stateVersion: 1, revision: index, rows: 1, bytes: 1 }, nowMs);
}

function hear(from: string, index: number, hash: string, wantsAnswer = false): void {
  exchange.heard({ type: "StateHashReport", from, to: "a", index, hash, stateVersion: 1, wantsAnswer });
}

function hearOtherVersion(from: string, index: number, hash: string): void {
  exchange.heard({ type: "StateHashReport", from, to: "a", index, hash, stateVersion: 2, wantsAnswer: false });
}

/** What was sent since the last time, in short. */
function takeSent(): string[] {
  return sent.splice(0).map(({ to, index, hash, wantsAnswer }) => `${to} ${index} ${hash}${wantsAnswer ? "?" : ""}`);
}

describe("a hash of the own state", () => {
  test("is told to every peer, again to those that have not told theirs, and to no one for ever", () => {
    publish(7, "x");
    expect(takeSent()).toEqual(["b 7 x?", "c 7 x?"]);
    hear("b", 7, "x");
    exchange.tick(5);
    expect(takeSent()).toEqual([]);
    exchange.tick(10);
    expect(takeSent()).toEqual(["c 7 x?"]);
    for (let nowMs = 100; nowMs < 1000; nowMs += 10) exchange.tick(nowMs);
    expect(takeSent()).toEqual([]);
  });

  test("answers a peer that asks, of the last few checkpoints, and of no other", () => {
    for (const index of [5, 6, 7]) publish(index, `x${index}`);
    sent.splice(0);
    hear("b", 5, "x5", true);
    hear("b", 9, "x9", true);
    expect(takeSent()).toEqual([]);
    hear("b", 6, "x6", true);
    hear("c", 7, "x7", true);
    expect(takeSent()).toEqual(["b 6 x6", "c 7 x7"]);
  });
});

describe("hashes of others", () => {
  test("trap 87: are compared at one index only, and those of another index say nothing", () => {
    publish(6, "six");
    publish(7, "seven");
    for (const peer of ["b", "c"]) {
      hear(peer, 6, "another");
      hear(peer, 8, "eight");
    }
    expect([compared, outvoted, exchange.split]).toEqual([["unfinished"], [], false]);
    hear("b", 7, "seven");
    expect(compared).toEqual(["unfinished", "agreed"]);
  });

  test("cut this member off when both others have another one, once", () => {
    publish(7, "mine");
    hear("b", 7, "theirs");
    expect(outvoted).toEqual([]);
    hear("c", 7, "theirs");
    hear("c", 7, "theirs");
    expect([outvoted, compared]).toEqual([["theirs"], ["outvoted"]]);
  });

  test("cut nobody off when all differ, and say so until a later checkpoint agrees", () => {
    publish(7, "mine");
    hear("b", 7, "one");
    hear("c", 7, "another");
    expect([outvoted, compared, exchange.split]).toEqual([[], ["split"], true]);
    publish(8, "mine");
    expect(exchange.split).toBe(true);
    hear("c", 8, "mine");
    expect([compared, exchange.split]).toEqual([["split", "agreed"], false]);
  });

  test("that differ are told of when the third member never comes, and not before its time is over", () => {
    publish(7, "mine");
    hear("b", 7, "theirs");
    exchange.tick(99);
    expect([compared, exchange.split]).toEqual([[], false]);
    exchange.tick(100);
    expect([compared, exchange.split, outvoted]).toEqual([["split"], true, []]);
  });

  test("of another state version count neither for nor against, and are not asked for again", () => {
    publish(7, "mine");
    sent.splice(0);
    for (const peer of ["b", "c"]) hearOtherVersion(peer, 7, "theirs");
    exchange.tick(10);
    expect([outvoted, compared, takeSent()]).toEqual([[], [], []]);
    exchange.tick(100);
    expect([compared, exchange.split]).toEqual([["unfinished"], false]);
    publish(8, "mine");
    hearOtherVersion("b", 8, "mine");
    expect(compared).toEqual(["unfinished"]);
    hear("c", 8, "mine");
    expect(compared).toEqual(["unfinished", "agreed"]);
  });

  test("count once for each peer, the first time", () => {
    publish(7, "mine");
    hear("b", 7, "mine");
    hear("c", 7, "theirs");
    hear("b", 7, "theirs");
    expect([compared, outvoted]).toEqual([["agreed"], []]);
  });
});
