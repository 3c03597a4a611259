import { edit, type Mutation } from "./mutation.ts";

const followers = ["raft/paper-replication.test.ts", "raft/traps-replication.test.ts"];
const safety = ["raft/paper-safety.test.ts", "raft/traps-replication.test.ts"];
const durability = ["raft/traps-durability.test.ts", "raft/raft-log.test.ts"];

/** Faults in how the log spreads, what counts as committed, and what counts as durable. */
export const replicationMutations: readonly Mutation[] = [
  {
    number: 30,
    fault: "entries of a leader of an earlier term are taken",
    row: 10,
    edits: [
      edit(
        "raft/step.ts",
        "if (message.term < state.term && !isPreVoteRequest(message)) {",
        'if (message.term < state.term && !isPreVoteRequest(message) && message.type !== "AppendEntriesRequest") {',
      ),
    ],
    tests: followers,
  },
  {
    number: 31,
    fault: "the term of the entry before is not compared",
    row: 11,
    edits: [
      edit(
        "raft/follower.ts",
        "!state.log.has({ index: prevLogIndex, term: prevLogTerm })) {",
        "(prevLogTerm < 0 || prevLogIndex > state.log.lastIndex)) {",
      ),
    ],
    tests: followers,
  },
  {
    number: 32,
    fault: "entries that conflict with the leader's stay",
    row: 12,
    edits: [
      edit("raft/follower.ts", "(entry) => !state.log.has(entry));", "(entry) => entry.index > state.log.lastIndex);"),
    ],
    tests: followers,
  },
  {
    number: 33,
    fault: "everything behind the message's beginning is truncated, conflict or not",
    row: 13,
    traps: [18],
    edits: [
      edit(
        "raft/follower.ts",
        "const firstNew = request.entries.findIndex((entry) => !state.log.has(entry));",
        "const firstNew = request.entries.findIndex((entry) => entry.index > state.commitIndex);",
      ),
    ],
    tests: followers,
  },
  {
    number: 34,
    fault: "a message that brings nothing new cuts off what follows it",
    traps: [18],
    edits: [
      edit(
        "raft/follower.ts",
        "if (firstNew < 0) return;",
        "const end = request.prevLogIndex + request.entries.length + 1;\n" +
          "  if (firstNew < 0 && end > state.commitIndex) state.log.truncateFrom(end);\n" +
          "  if (firstNew < 0) return;",
      ),
    ],
    tests: followers,
  },
  {
    number: 35,
    fault: "a follower acknowledges the end of its own log",
    row: 14,
    traps: [19],
    edits: [
      edit(
        "raft/follower.ts",
        "acknowledge(state, request.from, lastNew);",
        "acknowledge(state, request.from, state.log.lastIndex);",
      ),
    ],
    tests: followers,
  },
  {
    number: 36,
    fault: "a follower commits up to the end of its own log",
    row: 15,
    traps: [19],
    edits: [
      edit(
        "raft/follower.ts",
        "Math.min(request.commitIndex, lastNew)",
        "Math.min(request.commitIndex, state.log.lastIndex)",
      ),
    ],
    tests: followers,
  },
  {
    number: 37,
    fault: "heartbeats tell a commit index beyond what the follower is known to have",
    row: 16,
    traps: [19],
    edits: [
      edit(
        "raft/heartbeat.ts",
        "const commitIndex = Math.min(progress.matchIndex, state.commitIndex);",
        "const { commitIndex } = state;",
      ),
    ],
    tests: followers,
  },
  {
    number: 38,
    fault: "the same, and the follower limits it by its own log",
    row: 16,
    traps: [19],
    edits: [
      edit(
        "raft/heartbeat.ts",
        "const commitIndex = Math.min(progress.matchIndex, state.commitIndex);",
        "const { commitIndex } = state;",
      ),
      edit("raft/follower.ts", "if (request.commitIndex > state.log.lastIndex) {", "if (request.commitIndex < 0) {"),
      edit(
        "raft/follower.ts",
        "advanceFollowerCommit(state, request.commitIndex);",
        "advanceFollowerCommit(state, Math.min(request.commitIndex, state.log.lastIndex));",
      ),
    ],
    tests: followers,
  },
  {
    number: 39,
    fault: "entries of earlier terms are committed by counting",
    row: 17,
    traps: [1],
    edits: [
      edit(
        "raft/leader.ts",
        "if (index > state.commitIndex && state.log.termAt(index) === state.term) state.commitIndex = index;",
        "if (index > state.commitIndex) state.commitIndex = index;",
      ),
    ],
    tests: safety,
  },
  {
    number: 40,
    fault: "a new leader appends no entry of its own term",
    row: 18,
    edits: [
      edit(
        "raft/leader.ts",
        'appendOwn(state, { kind: "noop", index: state.leaderFirstIndex, term: state.term, timeMs: 0 });\n',
        "",
      ),
    ],
    tests: safety,
  },
  {
    number: 41,
    fault: "a follower's commit index may run back",
    row: 19,
    traps: [27],
    edits: [
      edit(
        "raft/follower.ts",
        "state.commitIndex = Math.max(state.commitIndex, commitIndex);",
        "state.commitIndex = commitIndex;",
      ),
    ],
    tests: followers,
  },
  {
    number: 42,
    fault: "a leader counts itself for what it has not written",
    traps: [29],
    edits: [
      edit(
        "raft/leader.ts",
        "id === state.id ? state.log.durableIndex : (",
        "id === state.id ? state.log.lastIndex : (",
      ),
    ],
    tests: durability,
  },
  {
    number: 43,
    fault: "the quorum's index is taken from an unsorted list",
    traps: [24],
    edits: [edit("raft/quorum.ts", "voters.map(matchIndex).sort((a, b) => b - a);", "voters.map(matchIndex);")],
    tests: ["raft/quorum.test.ts"],
  },
  {
    number: 44,
    fault: "the quorum's index is taken from the wrong end of the list",
    traps: [24],
    edits: [
      edit(
        "raft/quorum.ts",
        "voters.map(matchIndex).sort((a, b) => b - a);",
        "voters.map(matchIndex).sort((a, b) => a - b);",
      ),
    ],
    tests: ["raft/quorum.test.ts"],
  },
  {
    number: 45,
    fault: "what is known to match may run back",
    traps: [20],
    edits: [edit("raft/progress.ts", "if (grew) this.matchIndex = index;", "this.matchIndex = index;")],
    tests: ["raft/progress.test.ts"],
  },
  {
    number: 46,
    fault: "a late write counts for the entries that replaced its own",
    traps: [31],
    edits: [
      edit(
        "raft/raft-log.ts",
        "if (this.#writingTo !== null) this.#writingTo = Math.min(this.#writingTo, index - 1);\n",
        "",
      ),
    ],
    tests: durability,
  },
  {
    number: 47,
    fault: "what was durable stays so after a truncation",
    traps: [32],
    edits: [edit("raft/raft-log.ts", "this.#durableIndex = Math.min(this.#durableIndex, index - 1);\n", "")],
    tests: durability,
  },
  {
    number: 48,
    fault: "entries are acknowledged before they are written",
    traps: [33],
    edits: [
      edit(
        "raft/follower.ts",
        "if (matchIndex <= state.log.durableIndex) send(state, response);",
        "if (matchIndex <= state.log.lastIndex) send(state, response);",
      ),
    ],
    tests: durability,
  },
  {
    number: 49,
    fault: "entries are applied before they are durable",
    traps: [34],
    edits: [
      edit(
        "raft/durability.ts",
        "Math.min(state.commitIndex, state.log.durableIndex);",
        "Math.min(state.commitIndex, state.log.lastIndex);",
      ),
    ],
    tests: durability,
  },
  {
    number: 50,
    fault: "bytes of committed proposals are not given back",
    traps: [25],
    edits: [
      edit("raft/leader.ts", "state.uncommittedBytes -= state.log.bytesOf(state.uncommittedFirstIndex, last);\n", ""),
    ],
    tests: followers,
  },
  {
    number: 51,
    fault: "nobody looks for lost entries",
    traps: [26],
    edits: [edit("raft/leader.ts", "progress.lossCheckDue = true;", "progress.lossCheckDue = false;")],
    tests: followers,
  },
  {
    number: 52,
    fault: "a log that lost committed entries is taken for whole",
    traps: [28],
    edits: [edit("raft/recover-state.ts", "commitIndex <= log.lastIndex,", "commitIndex >= 0,")],
    tests: durability,
  },
  {
    number: 53,
    fault: "a late refusal sets back what is sent next",
    traps: [20],
    edits: [edit("raft/progress.ts", "if (rejectedIndex <= this.matchIndex) return false;\n", "")],
    tests: ["raft/progress.test.ts"],
  },
  {
    number: 54,
    fault: "reads put the look for lost entries off",
    traps: [26],
    edits: [
      edit(
        "raft/heartbeat.ts",
        "state.heartbeatElapsedMs = 0;\n",
        "state.heartbeatElapsedMs = 0;\n  state.lossCheckElapsedMs = 0;\n",
      ),
    ],
    // Of the simulated clusters, though a test of the core notices it as well: there the bug got by once.
    tests: [],
  },
];
