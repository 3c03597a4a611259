import { edit, type Mutation } from "./mutation.ts";

const membership = ["raft/traps-membership.test.ts", "raft/paper-membership.test.ts"];
const transfer = ["raft/traps-transfer.test.ts", "raft/paper-membership.test.ts"];
const refusal =
  "if (index > state.commitIndex || isJoint(configuration) || state.commitIndex < state.leaderFirstIndex) {";

/** Faults in changes of membership, and in handing leadership over. */
export const membershipMutations: readonly Mutation[] = [
  {
    number: 60,
    fault: "a configuration is in force when it is committed, not when it is appended",
    row: 25,
    edits: [
      edit(
        "raft/raft-state.ts",
        "return state.configurations.current.configuration;",
        "return state.configurations.at(state.commitIndex).configuration;",
      ),
    ],
    tests: membership,
  },
  {
    number: 61,
    fault: "a configuration stays in force when its entry is truncated",
    row: 26,
    traps: [38],
    edits: [edit("raft/follower.ts", "state.configurations.truncateFrom(firstIndex);\n", "")],
    tests: membership,
  },
  {
    number: 62,
    fault: "a change is begun while another is not committed",
    row: 27,
    traps: [37],
    edits: [
      edit(
        "raft/membership.ts",
        refusal,
        "if (isJoint(configuration) || state.commitIndex < state.leaderFirstIndex) {",
      ),
    ],
    tests: membership,
  },
  {
    number: 63,
    fault: "a change is begun before an entry of the own term is committed",
    row: 28,
    traps: [36],
    edits: [edit("raft/membership.ts", refusal, "if (index > state.commitIndex || isJoint(configuration)) {")],
    tests: membership,
  },
  {
    number: 64,
    fault: "voters change in one step, however many",
    row: 29,
    edits: [edit("raft/configuration-change.ts", "if (sameIds(voters, current.voters)) {", "if (voters.length > 0) {")],
    tests: ["raft/configuration-change.test.ts"],
  },
  {
    number: 65,
    fault: "half of a joint quorum is enough to commit",
    edits: [
      edit(
        "raft/quorum.ts",
        "return Math.min(incoming, majorityIndex(configuration.outgoingVoters, matchIndex));",
        "return incoming;",
      ),
    ],
    tests: ["raft/quorum.test.ts"],
  },
  {
    number: 66,
    fault: "a joint configuration is left before it is committed",
    traps: [42],
    edits: [
      edit(
        "raft/membership.ts",
        'if (state.role !== "leader" || index > state.commitIndex || state.commitIndex < state.leaderFirstIndex) return;',
        'if (state.role !== "leader" || state.commitIndex < state.leaderFirstIndex) return;',
      ),
    ],
    tests: membership,
  },
  {
    number: 67,
    fault: "a leader without a vote counts itself",
    traps: [43],
    edits: [
      edit(
        "raft/leader.ts",
        "const index = quorumIndex(configurationOf(state), matchIndex);",
        "const { voters, ...others } = configurationOf(state);\n" +
          "  const index = quorumIndex({ ...others, voters: [...new Set([...voters, state.id])] }, matchIndex);",
      ),
    ],
    tests: membership,
  },
  {
    number: 68,
    fault: "a leader that was removed stays",
    traps: [43],
    edits: [edit("raft/membership.ts", "    handOver(state);\n", "    replicate(state);\n")],
    tests: membership,
  },
  {
    number: 69,
    fault: "learners count when entries are committed",
    edits: [
      edit(
        "raft/quorum.ts",
        "const incoming = majorityIndex(configuration.voters, matchIndex);",
        "const incoming = majorityIndex([...configuration.voters, ...configuration.learners], matchIndex);",
      ),
    ],
    tests: membership,
  },
  {
    number: 70,
    fault: "a change may cost the quorum",
    traps: [45],
    edits: [
      edit(
        "raft/membership.ts",
        "if (!hasQuorum({ ...next, outgoingVoters: [] }, (id) => isHeard(state, id))) return",
        'if (!hasQuorum({ ...next, outgoingVoters: [] }, (id) => id !== "")) return',
      ),
    ],
    tests: membership,
  },
  {
    number: 71,
    fault: "a transfer is never given up",
    row: 35,
    traps: [56],
    edits: [
      edit("raft/transfer.ts", "if (transfer.elapsedMs >= state.options.electionTimeoutMs) state.transfer = null;", ""),
    ],
    tests: transfer,
  },
  {
    number: 72,
    fault: "a transfer's target is asked before it has everything",
    traps: [56],
    edits: [
      edit(
        "raft/transfer.ts",
        "if (state.progress.get(transfer.target)?.matchIndex !== state.log.lastIndex) return;\n",
        "",
      ),
    ],
    tests: transfer,
  },
  {
    number: 73,
    fault: "stickiness holds up the campaign of a transfer",
    traps: [57],
    edits: [
      edit(
        "raft/term-rules.ts",
        "if ((hearsLeader || isBoundByPromise(state)) && !message.leadershipTransfer) return false;",
        "if (hearsLeader || isBoundByPromise(state)) return false;",
      ),
    ],
    tests: transfer,
  },
  {
    number: 74,
    fault: "proposals are taken while leadership is handed over",
    traps: [56],
    edits: [
      edit(
        "raft/raft-node.ts",
        'if (state.transfer !== null) return { type: "refused", reason: "TRANSFER_IN_PROGRESS" };\n',
        "",
      ),
    ],
    tests: transfer,
  },
  {
    number: 75,
    fault: "half of a joint quorum is enough to be elected",
    edits: [
      edit(
        "raft/quorum.ts",
        "(configuration.outgoingVoters.length === 0 || hasMajority(configuration.outgoingVoters, holds))",
        "configuration.outgoingVoters.length >= 0",
      ),
    ],
    tests: ["raft/quorum.test.ts"],
  },
  {
    number: 76,
    fault: "a joint configuration is never left",
    traps: [42],
    edits: [
      edit(
        "raft/membership.ts",
        "    appendConfiguration(state, leaveJoint(configuration));\n",
        "    replicate(state);\n",
      ),
    ],
    tests: membership,
  },
  {
    number: 77,
    fault: "who loses its vote does not campaign, though it alone could be elected",
    edits: [
      edit(
        "raft/election.ts",
        "return index > state.commitIndex && isVoter(state.configurations.at(index - 1).configuration, state.id);",
        "return index < 0;",
      ),
    ],
    tests: membership,
  },
  {
    number: 78,
    fault: "removed members do not hear of it",
    traps: [44],
    edits: [
      edit(
        "raft/raft-state.ts",
        "if (index <= state.commitIndex) return configuration.members;",
        "if (index >= 0) return configuration.members;",
      ),
    ],
    tests: membership,
  },
  {
    number: 79,
    fault: "learners that have caught up are not promoted",
    edits: [
      edit(
        "raft/leader-turn.ts",
        "if (state.transfer === null) promoteLearners(state);",
        "if (state.term < 0) promoteLearners(state);",
      ),
    ],
    tests: membership,
  },
];
