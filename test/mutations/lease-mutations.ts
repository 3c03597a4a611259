import { edit, type Mutation } from "./mutation.ts";

const leases = ["raft/traps-lease.test.ts"];
const transfers = ["raft/traps-lease.test.ts"];

/** Faults in reads under a lease, and in how a leader that stands still ceases to lead. */
export const leaseMutations: readonly Mutation[] = [
  {
    number: 90,
    fault: "a lease lasts as long as the longest wait for an election",
    row: 32,
    traps: [53],
    edits: [edit("raft/lease.ts", "sentMs + promisedMs * (1 - lease.clockDriftMax)", "sentMs + promisedMs * 2")],
    tests: leases,
  },
  {
    number: 91,
    fault: "a lease takes no account of clocks that run apart",
    row: 33,
    traps: [53],
    edits: [edit("raft/lease.ts", "sentMs + promisedMs * (1 - lease.clockDriftMax)", "sentMs + promisedMs")],
    tests: leases,
  },
  {
    number: 92,
    fault: "a lease counts from when the answer came",
    traps: [53],
    edits: [edit("raft/lease.ts", "sentMs + promisedMs * (1 -", "state.nowMs + promisedMs * (1 -")],
    tests: leases,
  },
  {
    number: 93,
    fault: "a lease goes on when leadership is handed over",
    traps: [54],
    edits: [edit("raft/transfer.ts", "  state.leaseVoid = true;\n", "")],
    tests: transfers,
  },
  {
    number: 94,
    fault: "a leader that stood still trusts what it was promised before",
    traps: [52, 59],
    edits: [edit("raft/tick.ts", "  forgetPromises(state);\n", "")],
    tests: leases,
  },
  {
    number: 95,
    fault: "a leader reads under its lease before the tick that tells it that it stood still",
    traps: [52, 59],
    edits: [
      edit("raft/lease.ts", "if (lastTickMs === null || nowMs - lastTickMs > standstillMs(options)) return false;", ""),
    ],
    tests: leases,
  },
  {
    number: 96,
    fault: "a leader reads under its lease before an entry of its term is committed",
    traps: [48],
    edits: [edit("raft/lease.ts", "leaseVoid || state.commitIndex < state.leaderFirstIndex)", "leaseVoid)")],
    tests: leases,
  },
  {
    number: 97,
    fault: "a follower votes in spite of its promise",
    traps: [53],
    edits: [
      edit(
        "raft/lease.ts",
        "options.lease !== null && leaderSilenceMs <",
        "options.lease !== null && 2 * leaderSilenceMs <",
      ),
    ],
    tests: leases,
  },
  {
    number: 98,
    fault: "a member that starts again forgets that it may have promised",
    traps: [53],
    edits: [
      edit(
        "raft/recover-state.ts",
        "leaderSilenceMs: hardState.term === 0 ? Number.POSITIVE_INFINITY : 0,",
        "leaderSilenceMs: Number.POSITIVE_INFINITY,",
      ),
    ],
    tests: leases,
  },
  {
    number: 99,
    fault: "a leader whose disk stands still leads on",
    traps: [58],
    edits: [
      edit(
        "raft/tick.ts",
        "if (state.diskStalled && isBetterLedByOthers(state, writeAgeMs)) handOver(state);",
        "if (state.term < 0) handOver(state);",
      ),
    ],
    tests: ["raft/traps-health.test.ts"],
  },
];
