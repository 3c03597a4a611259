// The consensus core alone, under a loop of your own: three members in one process, whose disks are arrays.
//
//   make build && node examples/bare-core.mjs
//
// docs/embedding.md tells what each part of `ready()` asks for. Here a write is done at once, and time is a number.

import { defaultRaftOptions, RaftNode, seededRandom, votersOnly } from "raftkv/raft";

const ids = ["a", "b", "c"];
const configuration = votersOnly(ids.map((id) => ({ id, name: id, peerAddress: id })));
const newcomer = {
  hardState: { term: 0, votedFor: null, commitIndex: 0 },
  log: { base: { index: 0, term: 0 }, lastIndex: 0, termRuns: [] },
  baseConfiguration: { index: 0, configuration },
  configurationEntries: [],
  appliedIndex: 0,
};

const members = new Map(
  ids.map((id, seed) => {
    const node = new RaftNode(id, newcomer, defaultRaftOptions, seededRandom(seed));
    return [id, { node, disk: [], state: [], reads: [] }];
  }),
);
const onTheirWay = [];
let nowMs = 0;

/** Does what a member asks for, until it asks for nothing more. */
function settle(member) {
  const { node, disk, state, reads } = member;
  for (;;) {
    const { messages, write, apply, reads: answers } = node.ready();
    onTheirWay.push(...messages);
    reads.push(...answers);
    if (write !== undefined) {
      if (write.truncateFrom !== undefined) disk.length = write.truncateFrom - 1;
      disk.push(...write.entries);
      node.written();
      onTheirWay.push(...write.messages);
    }
    if (apply !== undefined) {
      const applied = disk.slice(apply.first - 1, apply.last);
      state.push(...applied.filter(({ kind }) => kind === "command").map(({ command }) => String.fromCharCode(...command)));
      node.applied(apply.last);
    }
    if (write === undefined && apply === undefined) return;
  }
}

/** Lets time pass, and messages arrive, until `done`. */
function run(done) {
  while (!done()) {
    nowMs += 10;
    for (const member of members.values()) {
      member.node.tick(nowMs);
      settle(member);
    }
    for (const message of onTheirWay.splice(0)) {
      const member = members.get(message.to);
      member.node.step(message, nowMs);
      settle(member);
    }
  }
}

const leader = () => [...members.values()].find(({ node }) => node.role === "leader" && node.hasCommittedInTerm);
run(() => leader() !== undefined);
leader().node.propose([new TextEncoder().encode("x=1"), new TextEncoder().encode("y=2")], 0);
run(() => [...members.values()].every(({ state }) => state.length === 2));
for (const [id, { state }] of members) console.log(id, "applied", state.join(" "));

const follower = [...members.values()].find((member) => member !== leader());
follower.node.readIndex(1, nowMs);
run(() => follower.reads.length > 0);
console.log("a follower may read at index", follower.reads[0].index);
