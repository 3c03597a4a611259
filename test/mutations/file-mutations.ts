import { edit, type Mutation } from "./mutation.ts";

const files = ["storage/file-installation.test.ts"];

/** Faults in taking the files of another member's engine. */
export const fileMutations: readonly Mutation[] = [
  {
    number: 222,
    fault: "files of another member are adopted before what is the member's own is in them",
    traps: [69],
    edits: [
      edit(
        "storage/flip-to-engine.ts",
        "    await next.write(ownRows(state, flipped));\n    await adopt();\n",
        "    await adopt();\n    await next.write(ownRows(state, flipped));\n",
      ),
    ],
    tests: files,
  },
  {
    number: 223,
    fault: "term and vote of the sender come with its files",
    edits: [edit("storage/flip-to-engine.ts", "    hardStateRow(state.hardState),\n", "")],
    tests: files,
  },
  {
    number: 224,
    fault: "a member that takes files forgets the directories of its peers",
    edits: [edit("storage/flip-to-engine.ts", "  await copyRows(state, next, peerRange);\n", "")],
    tests: files,
  },
  {
    number: 225,
    fault: "a member that takes files loses the entries behind the snapshot",
    traps: [74],
    edits: [
      edit(
        "storage/flip-to-engine.ts",
        "logRecords(base.index + 1, state.progress.tail.index));",
        "logRecords(base.index + 1, base.index));",
      ),
    ],
    tests: files,
  },
  {
    number: 226,
    fault: "entries of the sender's log stay in its files",
    edits: [edit("storage/file-installation.ts", "      await opened.clear(logRange);\n", "")],
    tests: files,
  },
  {
    number: 227,
    fault: "removals that waited go on in the files of another member",
    edits: [edit("storage/flip-to-engine.ts", "  sweeper.forget();\n", "")],
    tests: files,
  },
  {
    number: 228,
    fault: "files with a damaged row stop a member after every start",
    edits: [
      edit(
        "replica/snapshot-installer.ts",
        'if (installation.type === "files" && error instanceof RaftKvError && error.code === "STATE_CORRUPT") return error;',
        "",
      ),
    ],
    tests: ["replica/snapshot-installer.test.ts"],
  },
];
