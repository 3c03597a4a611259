import { edit, type Mutation } from "./mutation.ts";

const installs = ["raft/traps-snapshots.test.ts", "raft/paper-snapshots.test.ts"];

/** Faults in snapshots and in what is left of the log. */
export const snapshotMutations: readonly Mutation[] = [
  {
    number: 100,
    fault: "a snapshot behind the commit index is installed",
    row: 20,
    traps: [71],
    edits: [
      edit(
        "raft/install.ts",
        "if (index <= state.commitIndex) acknowledge(state, from, state.commitIndex);\n  else state.snapshotToFetch",
        "state.snapshotToFetch",
      ),
      edit("raft/install.ts", '|| base.index <= state.commitIndex) return "outdated";', ') return "outdated";'),
      edit(
        "raft/install.ts",
        "if (state.log.has(base)) {",
        "if (base.index > state.commitIndex && state.log.has(base)) {",
      ),
    ],
    tests: installs,
  },
  {
    number: 101,
    fault: "entries that conflict with a snapshot stay behind it",
    row: 21,
    traps: [74],
    edits: [
      edit(
        "raft/install.ts",
        "state.log.resetTo(base);",
        "if (state.log.lastIndex > base.index) state.log.compactTo(base.index);\n  else state.log.resetTo(base);",
      ),
    ],
    tests: installs,
  },
  {
    number: 102,
    fault: "a snapshot carries the newest configuration, not the one at its index",
    row: 24,
    traps: [39],
    edits: [
      edit(
        "raft/compaction.ts",
        "configuration: state.configurations.at(index) };",
        "configuration: state.configurations.current };",
      ),
    ],
    tests: installs,
  },
  {
    number: 103,
    fault: "the configuration of a snapshot is not taken over",
    row: 24,
    traps: [40],
    edits: [edit("raft/install.ts", "  state.configurations.resetTo(base.configuration);\n", "")],
    tests: installs,
  },
  {
    number: 104,
    fault: "entries are applied while a snapshot is installed",
    traps: [73],
    edits: [edit("raft/durability.ts", "  if (state.installing !== null) return undefined;\n", "")],
    tests: installs,
  },
  {
    number: 105,
    fault: "the log is written while a snapshot is installed",
    traps: [73],
    edits: [
      edit(
        "raft/durability.ts",
        "if (state.writingHardState !== null || state.installing !== null) return undefined;",
        "if (state.writingHardState !== null) return undefined;",
      ),
    ],
    tests: installs,
  },
  {
    number: 106,
    fault: "entries are taken into the log while a snapshot is installed",
    traps: [73],
    edits: [edit("raft/follower.ts", "  if (state.installing !== null) return; // The leader asks again.\n", "")],
    tests: installs,
  },
  {
    number: 107,
    fault: "a member campaigns while it installs a snapshot",
    traps: [14],
    edits: [
      edit(
        "raft/election.ts",
        "|| hasUnappliedConfiguration(state) || state.installing !== null;",
        "|| hasUnappliedConfiguration(state);",
      ),
    ],
    tests: installs,
  },
  {
    number: 108,
    fault: "a follower that needs what was compacted is not told to fetch a snapshot",
    traps: [22],
    edits: [
      edit(
        "raft/leader.ts",
        'if (progress.state === "snapshot" && progress.canSend) announceSnapshot(state, id, progress);',
        "",
      ),
    ],
    tests: installs,
  },
  {
    number: 109,
    fault: "a snapshot is installed that the leader of the term is not known to have committed",
    edits: [edit("raft/install.ts", '  if (base.index > state.leaderCommitIndex) return "later";\n', "")],
    tests: installs,
  },
];
