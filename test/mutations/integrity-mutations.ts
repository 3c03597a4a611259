import { edit, type Mutation } from "./mutation.ts";

/** Faults in the comparison of the members' states. */
export const integrityMutations: readonly Mutation[] = [
  {
    number: 198,
    fault: "hashes of different checkpoints are compared",
    traps: [87],
    edits: [
      edit(
        "replica/hash-exchange.ts",
        "if (comparison?.own.index !== index || comparison.hashes.has(from)) return;",
        "if (comparison === null || comparison.hashes.has(from)) return;",
      ),
    ],
    tests: ["replica/hash-exchange.test.ts"],
  },
  {
    number: 199,
    fault: "a member that is outvoted goes on as before",
    edits: [
      edit("replica/integrity.ts", "if (this.#divergence !== null) return;", "if (this.#divergence === null) return;"),
    ],
    tests: ["replica/integrity.test.ts"],
  },
  {
    number: 200,
    fault: "a restart makes a wrong state right",
    edits: [
      edit("replica/integrity.ts", "this.#divergence = deps.store.divergence ?? null;", "this.#divergence = null;"),
    ],
    tests: ["replica/integrity.test.ts"],
  },
  {
    number: 201,
    fault: "entries behind a checkpoint get into its hash",
    traps: [87],
    edits: [
      edit(
        "replica/applier.ts",
        "return this.#asked !== null && !this.#fetching && this.#heldAt === null;",
        "return this.#asked !== null && !this.#fetching;",
      ),
    ],
    tests: ["replica/applier.test.ts"],
  },
  {
    number: 215,
    fault: "hashes of different versions of the state machine are compared",
    edits: [edit("replica/hash-exchange.ts", "if (stateVersion !== own.stateVersion) {", "if (stateVersion < 1) {")],
    tests: ["replica/hash-exchange.test.ts"],
  },
  {
    number: 216,
    fault: "what an ended session held counts against the quota for ever",
    edits: [
      edit(
        "kv/session-end.ts",
        "turn.held.bytes += heldByAnswers(countSequences(session.answers)) - heldBySession(session);",
        "turn.held.bytes += heldByAnswers(countSequences(session.answers));",
      ),
    ],
    tests: ["kv/held-bytes.test.ts"],
  },
  {
    number: 217,
    fault: "a member that fetched its state does not count what sessions hold in it",
    edits: [edit("replica/snapshot-installer.ts", "          takeUp();\n", "")],
    tests: ["replica/space.test.ts"],
  },
  {
    number: 218,
    fault: "the only voter cuts a learner off on its own word",
    edits: [
      edit(
        "replica/hash-verdict.ts",
        "    if (!isConfirmed(configuration, hash, hashes)) continue;\n",
        "    if (!isConfirmed(configuration, hash, hashes) && hashes.size > 9) continue;\n",
      ),
    ],
    tests: ["replica/hash-verdict.test.ts"],
  },
  {
    number: 219,
    fault: "each checkpoint begins to read the log back from its first entry",
    edits: [
      edit(
        "replica/state-scrubber.ts",
        "run.nextIndex = Math.max(store.logFirstIndex, this.#logIndex);",
        "run.nextIndex = Math.max(store.logFirstIndex, Math.min(0, this.#logIndex));",
      ),
    ],
    tests: ["replica/state-scrubber.test.ts"],
  },
  {
    number: 220,
    fault: "a leader whose disk stands still hands over to those whose disks do, too",
    traps: [58],
    edits: [edit("raft/tick.ts", "?.matchIndex ?? 0) > state.log.durableIndex;", "?.matchIndex ?? 0) >= 0;")],
    tests: ["raft/traps-health.test.ts"],
  },
  {
    number: 221,
    fault: "a member whose state is wrong leads on while there is nothing to store",
    traps: [],
    edits: [edit("raft/tick.ts", "!Number.isFinite(writeAgeMs) || ", "")],
    tests: ["raft/traps-health.test.ts"],
  },
];
