import { edit, type Mutation } from "./mutation.ts";

const elections = ["raft/paper-election.test.ts", "raft/traps-elections.test.ts"];
const durability = ["raft/traps-elections.test.ts", "raft/traps-durability.test.ts"];

/** Faults in elections, and in what must be durable before anybody hears of it. */
export const electionMutations: readonly Mutation[] = [
  {
    number: 1,
    fault: "half of the members count as a majority",
    row: 1,
    edits: [edit("raft/quorum.ts", "return Math.floor(count / 2) + 1;", "return Math.floor(count / 2);")],
    tests: ["raft/quorum.test.ts"],
  },
  {
    number: 2,
    fault: "half of an even number of members counts as a majority",
    edits: [edit("raft/quorum.ts", "return Math.floor(count / 2) + 1;", "return Math.ceil(count / 2);")],
    tests: ["raft/quorum.test.ts"],
  },
  {
    number: 3,
    fault: "a vote is given whatever the candidate's log",
    row: 2,
    edits: [
      edit("raft/election.ts", "=== state.term && free && upToDate && !bound;", "=== state.term && free && !bound;"),
    ],
    tests: elections,
  },
  {
    number: 4,
    fault: "the longer log counts as the better one, whatever its last term",
    row: 3,
    edits: [
      edit(
        "raft/raft-log.ts",
        "return position.term > this.lastTerm || (position.term === this.lastTerm && position.index >= this.#lastIndex);",
        "return position.index >= this.#lastIndex;",
      ),
    ],
    tests: elections,
  },
  {
    number: 5,
    fault: "the log of the later term counts as the better one, however short",
    row: 4,
    edits: [
      edit(
        "raft/raft-log.ts",
        "return position.term > this.lastTerm || (position.term === this.lastTerm && position.index >= this.#lastIndex);",
        "return position.term >= this.lastTerm;",
      ),
    ],
    tests: elections,
  },
  {
    number: 6,
    fault: "a second candidate gets a vote in the same term",
    row: 5,
    edits: [
      edit(
        "raft/election.ts",
        "const free = state.votedFor === request.from || (state.votedFor === null && state.leaderId === null);",
        "const free = state.leaderId === null;",
      ),
    ],
    tests: elections,
  },
  {
    number: 7,
    fault: "term and vote are never written",
    row: 6,
    edits: [
      edit(
        "replica/store-writer.ts",
        "const { hardState, truncateFrom, entries } = write;",
        "const { truncateFrom, entries } = write;",
      ),
      edit("replica/store-writer.ts", "this.#start({ hardState, truncateFrom,", "this.#start({ truncateFrom,"),
    ],
    tests: ["replica/replica.test.ts"],
  },
  {
    number: 8,
    fault: "a candidate's vote for itself is not written",
    row: 7,
    traps: [2],
    edits: [
      edit(
        "raft/durability.ts",
        "return { hardState, truncateFrom, entries, messages };",
        "const written = state.votedFor === state.id ? { ...hardState, votedFor: null } : hardState;\n" +
          "  return { hardState: written, truncateFrom, entries, messages };",
      ),
    ],
    tests: durability,
  },
  {
    number: 9,
    fault: "messages that wait for a write leave before it",
    row: 8,
    traps: [2, 4],
    edits: [
      edit(
        "raft/durability.ts",
        "const messages = state.deferredMessages;\n",
        "const messages: typeof state.messages = [];\n  state.messages.push(...state.deferredMessages);\n",
      ),
    ],
    tests: durability,
  },
  {
    number: 10,
    fault: "a vote leaves before it is written",
    traps: [2],
    edits: [
      edit(
        "raft/election.ts",
        "if (granted && !preVote) sendWhenDurable(state, response);",
        "if (granted && !preVote) state.messages.push(response);",
      ),
    ],
    tests: durability,
  },
  {
    number: 11,
    fault: "a vote counts as written once its term is",
    traps: [5],
    edits: [
      edit(
        "raft/raft-state.ts",
        "return state.durableHardState.term === state.term && state.durableHardState.votedFor === state.votedFor;",
        "return state.durableHardState.term === state.term;",
      ),
    ],
    tests: durability,
  },
  {
    number: 12,
    fault: "one voter's answer counts as often as it comes",
    row: 9,
    traps: [12],
    edits: [
      edit(
        "raft/election.ts",
        "if (!state.votes.has(response.from)) state.votes.set(response.from, response.granted);",
        "const others = allVoters(configurationOf(state)).filter((id) => !state.votes.has(id));\n" +
          "  const voter = state.votes.has(response.from) ? (others[0] ?? response.from) : response.from;\n" +
          "  state.votes.set(voter, response.granted);",
      ),
    ],
    tests: elections,
  },
  {
    number: 13,
    fault: "grants of any election count",
    traps: [12],
    edits: [edit("raft/election.ts", "if (response.granted && response.term !== electionTerm) return;\n", "")],
    tests: elections,
  },
  {
    number: 14,
    fault: "pre-votes that come late count in the election after them",
    traps: [10],
    edits: [
      edit("raft/election.ts", "if (response.preVote !== expected) return;", "if (expected === undefined) return;"),
      edit("raft/election.ts", "response.preVote ? state.term + 1 : state.term;", "response.term;"),
    ],
    tests: elections,
  },
  {
    number: 15,
    fault: "the vote of the term before stays in a new term",
    row: 36,
    edits: [
      edit("raft/raft-state.ts", "  state.votedFor = votedFor;\n", "  state.votedFor = votedFor ?? state.votedFor;\n"),
    ],
    tests: elections,
  },
  {
    number: 16,
    fault: "every wait for a leader is equally long",
    edits: [
      edit(
        "raft/raft-state.ts",
        "return options.electionTimeoutMs * (1 + random());",
        "return options.electionTimeoutMs;",
      ),
    ],
    tests: elections,
  },
  {
    number: 17,
    fault: "a leader that hears from no quorum leads on",
    traps: [7],
    edits: [
      edit("raft/leader.ts", "if (!heardFromQuorum(state)) {", "if (!heardFromQuorum(state) && state.term < 0) {"),
    ],
    tests: elections,
  },
  {
    number: 18,
    fault: "elections without a pre-vote",
    traps: [6],
    edits: [
      edit(
        "raft/election.ts",
        '  state.role = "preCandidate";\n  state.leaderId = null;\n  abandonReads(state);\n',
        "  state.leaderId = null;\n  abandonReads(state);\n  campaignForReal(state);\n  if (state.term > 0) return;\n",
      ),
    ],
    tests: elections,
  },
  {
    number: 19,
    fault: "elections are answered while a leader is heard",
    traps: [44],
    edits: [
      edit(
        "raft/term-rules.ts",
        "state.leaderId !== null && state.electionElapsedMs < state.options.electionTimeoutMs;",
        "state.electionElapsedMs < 0;",
      ),
    ],
    tests: elections,
  },
  {
    number: 20,
    fault: "a refused pre-vote does not tell its later term",
    traps: [9],
    edits: [
      edit(
        "raft/election.ts",
        "respond(state, request, granted, granted ? request.term : state.term);",
        "respond(state, request, granted, Math.min(request.term, state.term));",
      ),
    ],
    tests: elections,
  },
  {
    number: 21,
    fault: "a member campaigns while a committed configuration is not applied",
    traps: [14],
    edits: [
      edit("raft/election.ts", "return index > state.appliedIndex && index <= state.commitIndex;", "return index < 0;"),
    ],
    tests: elections,
  },
  {
    number: 22,
    fault: "a time in which the process stood still counts as silence of the leader",
    traps: [93],
    edits: [edit("raft/tick.ts", "Math.min(gapMs, standstillMs(options));", "gapMs;")],
    tests: elections,
  },
  {
    number: 23,
    fault: "a granted vote waits for nothing but term and vote",
    edits: [
      edit(
        "raft/election.ts",
        "if (granted && !preVote) sendWhenDurable(state, response);\n  else send(state, response);",
        "send(state, response);",
      ),
    ],
    tests: durability,
    equivalent:
      "a grant that is new changes the vote, so that it waits for the write either way; one that is repeated is durable already",
  },
];
