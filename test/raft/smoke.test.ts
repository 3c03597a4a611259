import { expect, test } from "vitest";
import { votersOnly } from "../../src/raft/configuration.ts";
import type { Message } from "../../src/raft/message.ts";
import { defaultRaftOptions } from "../../src/raft/options.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import { seededRandom } from "../../src/raft/random.ts";

test("three members elect a leader and commit a command", () => {
  const ids = ["a", "b", "c"];
  const configuration = votersOnly(ids.map((id) => ({ id, name: id, peerAddress: id })));
  const nodes = ids.map(
    (id, seed) =>
      new RaftNode(
        id,
        {
          hardState: { term: 0, votedFor: null, commitIndex: 0 },
          log: { base: { index: 0, term: 0 }, lastIndex: 0, termRuns: [] },
          baseConfiguration: { index: 0, configuration },
          configurationEntries: [],
          appliedIndex: 0,
        },
        defaultRaftOptions,
        seededRandom(seed + 1),
      ),
  );
  let nowMs = 0;
  let inbox: Message[] = [];
  const turn = () => {
    nowMs += 10;
    for (const node of nodes) node.tick(nowMs);
    const arrived = inbox;
    inbox = [];
    for (const message of arrived) nodes.find((node) => node.id === message.to)?.step(message, nowMs);
    for (const node of nodes) {
      const ready = node.ready();
      inbox.push(...ready.messages);
      if (ready.write) {
        node.written();
        inbox.push(...ready.write.messages);
      }
      if (ready.apply) node.applied(ready.apply.last);
    }
  };
  for (let i = 0; i < 200; i++) turn();
  const leader = nodes.find((node) => node.role === "leader");
  expect(leader).toBeDefined();
  expect(leader?.propose([new Uint8Array([1])], 0)).toEqual({ type: "appended", firstIndex: 2, term: leader?.term });
  for (let i = 0; i < 20; i++) turn();
  expect(nodes.map((node) => node.appliedIndex)).toEqual([2, 2, 2]);
});
