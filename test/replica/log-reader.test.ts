import { expect, test } from "vitest";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { LogReader } from "../../src/replica/log-reader.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";

test.each([
  { readBytesMax: 5000, appendBytesMax: 300, asked: 300 },
  { readBytesMax: 300, appendBytesMax: 5000, asked: 300 },
])("no more is read for a follower than a read and a message may hold: $asked bytes", ({ asked, ...limits }) => {
  const reads: number[] = [];
  const store: Pick<MemberStore, "readEntries"> = {
    readEntries: (_from, _to, bytesMax) => {
      reads.push(bytesMax);
      return new Promise(() => {});
    },
  };
  const { readBytesMax, appendBytesMax } = limits;
  new LogReader({
    node: {} as RaftNode,
    store: store as MemberStore,
    options: { ...defaultReplicaOptions, readBytesMax, raft: { ...defaultReplicaOptions.raft, appendBytesMax } },
    wake: () => {},
    fail: () => {},
  }).read({ peer: "b", from: 1, to: 100 });
  expect(reads).toEqual([asked]);
});
