import { edit, type Mutation } from "./mutation.ts";

const reads = ["raft/traps-reads.test.ts", "raft/paper-reads.test.ts"];

/** Faults in linearizable reads. */
export const readMutations: readonly Mutation[] = [
  {
    number: 80,
    fault: "reads are confirmed before an entry of the own term is committed",
    row: 30,
    traps: [48],
    edits: [
      edit("raft/heartbeat.ts", "if (state.commitIndex >= state.leaderFirstIndex) state.reads", "state.reads"),
      edit(
        "raft/heartbeat.ts",
        "|| state.reads.roundUnderWay || state.commitIndex < state.leaderFirstIndex) return;",
        "|| state.reads.roundUnderWay) return;",
      ),
    ],
    tests: reads,
  },
  {
    number: 81,
    fault: "reads are confirmed without a quorum",
    row: 31,
    traps: [51],
    edits: [
      edit(
        "raft/reads.ts",
        "id === state.id ? state.round : (state.progress.get(id)?.ackedRound ?? 0),",
        'id === "" ? (state.progress.get(id)?.ackedRound ?? 0) : state.round,',
      ),
    ],
    tests: reads,
  },
  {
    number: 82,
    fault: "rounds of heartbeats have no number of their own",
    traps: [49],
    edits: [edit("raft/heartbeat.ts", "  state.round++;\n", "  state.round = 1;\n")],
    tests: reads,
  },
  {
    number: 83,
    fault: "a follower asks about every read under the same id",
    traps: [49],
    edits: [edit("raft/reads.ts", "const id = state.nextReadId++;", "const id = state.nextReadId;")],
    tests: reads,
  },
  {
    number: 84,
    fault: "the ids of reads begin anew at every start",
    traps: [49],
    edits: [edit("raft/recover-state.ts", "nextReadId: randomId(random),", "nextReadId: 1,")],
    tests: reads,
  },
  {
    number: 85,
    fault: "reads that wait outlive the leadership",
    traps: [50],
    edits: [
      edit(
        "raft/step-down.ts",
        "  if (!wasFollower || leaderChanged) {\n    resetElectionTimer(state);\n    abandonReads(state);",
        "  if (!wasFollower || leaderChanged) {\n    resetElectionTimer(state);",
      ),
    ],
    tests: reads,
  },
  {
    number: 86,
    fault: "reads that came in during a round are confirmed by it",
    traps: [49],
    edits: [
      edit(
        "raft/read-index.ts",
        "while (this.#rounds[0] !== undefined && this.#rounds[0].round <= round) {",
        "while (this.#rounds[0] !== undefined && this.#rounds[0].round <= round + 1) {",
      ),
    ],
    tests: ["raft/read-index.test.ts", ...reads],
  },
  {
    number: 87,
    fault: "reads may wait without a limit",
    traps: [55],
    edits: [edit("raft/reads.ts", "if (state.reads.size >= state.options.pendingReadsMax) return false;\n", "")],
    tests: reads,
  },
  {
    number: 88,
    fault: "a read is served before its index is applied",
    edits: [edit("replica/read-waiters.ts", "if (index <= appliedIndex) for", "if (index >= 0) for")],
    tests: ["replica/replica.test.ts"],
  },
  {
    number: 89,
    fault: "whether a lease still holds is not looked at again when the read is made",
    traps: [52],
    edits: [edit("replica/reader.ts", "leased ? this.#leaseLook() : always", "leased ? always : always")],
    tests: ["replica/lease-reads.test.ts"],
  },
];
