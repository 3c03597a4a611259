import { edit, type Mutation } from "./mutation.ts";

const leases = ["raft/traps-lease.test.ts"];
const health = ["raft/traps-health.test.ts"];

/** Faults in what a lease rests on and in when it ends, and in what keeps a member that is not well from leading. */
export const healthMutations: readonly Mutation[] = [
  {
    number: 180,
    fault: "one follower's promise is enough for a lease",
    traps: [50],
    edits: [
      edit(
        "raft/lease.ts",
        "const untilMs = quorumIndex(configurationOf(state), (id) =>",
        "const untilMs = quorumIndex({ ...configurationOf(state), voters: [...state.progress.keys()].slice(0, 1), outgoingVoters: [] }, (id) =>",
      ),
    ],
    tests: leases,
  },
  {
    number: 181,
    fault: "a lease rests on one half of a joint configuration",
    traps: [50],
    edits: [
      edit(
        "raft/lease.ts",
        "quorumIndex(configurationOf(state), (id) =>",
        "quorumIndex({ ...configurationOf(state), outgoingVoters: [] }, (id) =>",
      ),
    ],
    tests: leases,
  },
  {
    number: 182,
    fault: "an answer to an early round counts from the last round that left",
    traps: [53],
    edits: [edit("raft/round-times.ts", "findLast((each) => each.round <= round)", "at(round < 0 ? 0 : -1)")],
    tests: leases,
  },
  {
    number: 183,
    fault: "a leader counts on what it would promise itself, not on what it was promised",
    edits: [
      edit(
        "raft/lease.ts",
        "sentMs + promisedMs * (1 - lease.clockDriftMax)",
        "sentMs + (promisedMs > -1 ? state.options.electionTimeoutMs : 0) * (1 - lease.clockDriftMax)",
      ),
    ],
    tests: leases,
  },
  {
    number: 184,
    fault: "a follower's promise ends with the term",
    edits: [
      edit(
        "raft/lease.ts",
        "export function isBoundByPromise({ options, leaderSilenceMs }: RaftState): boolean {\n  return ",
        "export function isBoundByPromise({ options, leaderSilenceMs, leaderId }: RaftState): boolean {\n  return leaderId !== null && ",
      ),
    ],
    tests: leases,
  },
  {
    number: 185,
    fault: "a promise does not bind a vote in a term that is known already",
    edits: [edit("raft/election.ts", "isBoundByPromise(state) && !request.leadershipTransfer", "request.term < 0")],
    tests: leases,
  },
  {
    number: 186,
    fault: "a promise does not bind the vote for oneself",
    edits: [edit("raft/election.ts", " || isBoundByPromise(state)) {", ") {")],
    tests: leases,
  },
  {
    number: 187,
    fault: "a promise counts from the tick before the heartbeat",
    traps: [53],
    edits: [
      edit(
        "raft/tick.ts",
        "Math.min(elapsedMs, Math.max(0, nowMs - (leaderContactMs ?? lastTickMs)))",
        "leaderContactMs === -1 ? 0 : elapsedMs",
      ),
    ],
    tests: leases,
  },
  {
    number: 188,
    fault: "a lease comes back when a transfer is given up",
    traps: [54],
    edits: [
      edit(
        "raft/transfer.ts",
        "if (transfer.elapsedMs >= state.options.electionTimeoutMs) state.transfer = null;",
        "if (transfer.elapsedMs < state.options.electionTimeoutMs) return;\n  state.transfer = null;\n  state.leaseVoid = false;",
      ),
    ],
    tests: leases,
  },
  {
    number: 189,
    fault: "the leader's own reads go by the clock of its last tick",
    traps: [52],
    edits: [
      edit("raft/reads.ts", "if (holdsLease(state, nowMs)) {", "if (holdsLease(state, state.lastTickMs ?? nowMs)) {"),
    ],
    tests: leases,
  },
  {
    number: 190,
    fault: "what was read under a lease is answered whatever another look at the clock tells",
    traps: [52],
    edits: [edit("server/read-path.ts", "if (isCurrent()) answer", "if (isCurrent() || true) answer")],
    tests: ["integration/kv-service.test.ts"],
  },
  {
    number: 191,
    fault: "another look at the clock after a read finds what the first one found",
    traps: [52],
    edits: [
      edit(
        "replica/reader.ts",
        "node.term === term && node.holdsLease(runtime.now())",
        "node.term === term && runtime.now() > 0",
      ),
    ],
    tests: ["replica/lease-reads.test.ts"],
  },
  {
    number: 192,
    fault: "a member campaigns while its disk stands still",
    traps: [58],
    edits: [edit("raft/election.ts", "voteUnderWay || state.diskStalled ||", "voteUnderWay ||")],
    tests: health,
  },
  {
    number: 193,
    fault: "a member whose disk stands still takes leadership over when it is asked to",
    traps: [58],
    edits: [
      edit(
        "raft/election.ts",
        "if (!isSelfVoter(state) || state.diskStalled) return;",
        "if (!isSelfVoter(state)) return;",
      ),
    ],
    tests: health,
  },
  {
    number: 194,
    fault: "a leader that wakes takes answers of before for its quorum",
    traps: [59],
    edits: [edit("raft/tick.ts", "if (gapMs >= state.options.electionTimeoutMs) checkQuorumAnew(state);", "")],
    tests: health,
  },
  {
    number: 195,
    fault: "a write that never ends is waited for",
    traps: [58],
    edits: [
      edit(
        "replica/disk-watch.ts",
        "if (this.#ageMs < writeStallMsMax) return;",
        "if (this.#ageMs < writeStallMsMax * 1e9) return;",
      ),
    ],
    tests: ["replica/disk-watch.test.ts"],
  },
  {
    number: 196,
    fault: "the time for which a process stood still is the disk's",
    traps: [59],
    edits: [
      edit("replica/disk-watch.ts", "passedMs > standstillMs ? 0 : passedMs", "Math.max(passedMs, -standstillMs)"),
    ],
    tests: ["replica/disk-watch.test.ts"],
  },
  {
    number: 197,
    fault: "a process whose disk hangs exits, and waits for the disk",
    traps: [58],
    edits: [
      edit(
        "cli/serve-command.ts",
        "if (code === exitCodes.killed) host.kill();\n      else host.exit(code);",
        "host.exit(code);",
      ),
    ],
    tests: ["cli/serve.test.ts"],
  },
];
