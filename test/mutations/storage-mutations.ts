import { edit, type Mutation } from "./mutation.ts";

const store = ["storage/member-store.test.ts", "storage/store-model.test.ts"];
const snapshots = [
  "storage/compaction.test.ts",
  "storage/installation.test.ts",
  "storage/installation-rules.test.ts",
  "storage/state-snapshot.test.ts",
  "storage/crash-matrix.test.ts",
];
const failures = ["storage/write-failure.test.ts", "replica/replica.test.ts"];

/** Faults in what is written, in which order, and in what a start believes. */
export const storageMutations: readonly Mutation[] = [
  {
    number: 110,
    fault: "the applied index is written before the rows that it speaks of",
    traps: [69],
    edits: [
      edit(
        "storage/engine-member-store.ts",
        "  addStateRows(state, batch, rows);\n  await commit(state, rows);\n",
        "  const stateRows: RowChange[] = [];\n  addStateRows(state, batch, stateRows);\n  await commit(state, rows);\n" +
          "  await state.engine.write(stateRows);\n",
      ),
    ],
    tests: store,
  },
  {
    number: 111,
    fault: "rows are written before the applied index that speaks of them",
    traps: [69],
    edits: [
      edit(
        "storage/engine-member-store.ts",
        "  addStateRows(state, batch, rows);\n  await commit(state, rows);\n",
        "  const stateRows: RowChange[] = [];\n  addStateRows(state, batch, stateRows);\n" +
          "  await state.engine.write(stateRows);\n  await commit(state, rows);\n",
      ),
    ],
    tests: store,
  },
  {
    number: 112,
    fault: "a failed write of the log counts as done",
    traps: [30, 62],
    edits: [
      edit(
        "replica/store-writer.ts",
        "    const ended = store.write(batch).then(() => {\n",
        "    const ended = store.write(batch).catch(() => fail).then(() => {\n",
      ),
      edit("replica/replica-loop.ts", "    void store.failure.then((error) => this.fail(error));\n", ""),
    ],
    tests: failures,
  },
  {
    number: 113,
    fault: "a store goes on after a failed write",
    traps: [30, 62, 66],
    edits: [
      edit(
        "storage/write-lane.ts",
        "throw this.#guard.fail(error);",
        "throw error instanceof Error ? error : this.#guard.fail(error);",
      ),
    ],
    tests: failures,
  },
  {
    number: 114,
    fault: "LevelDB writes without sync",
    traps: [67],
    edits: [edit("storage/classic-level-engine.ts", "return batch.write({ sync: true });", "return batch.write();")],
    tests: ["storage/synced-writes.test.ts"],
  },
  {
    number: 115,
    fault: "the watermark stays up when the log is cut back below it",
    traps: [68],
    edits: [edit("storage/truncate-log.ts", "    await keeper?.lowerTo(tail);\n", "")],
    tests: ["storage/watermark.test.ts"],
  },
  {
    number: 116,
    fault: "a log that ends before its watermark is taken for whole",
    traps: [28, 65],
    edits: [
      edit(
        "storage/recover-store.ts",
        "if (watermark !== undefined) checkAgainstWatermark(watermark, progress, hardState.term);\n",
        "",
      ),
    ],
    tests: ["storage/watermark.test.ts", "storage/damage.test.ts"],
  },
  {
    number: 117,
    fault: "a record is not compared with the one before it",
    traps: [65],
    edits: [
      edit(
        "storage/log-record.ts",
        "if (asBuffer(bytes).readUInt32BE(offsets.chain) !== before.checksum) {",
        "if (asBuffer(bytes).readUInt32BE(offsets.chain) < 0) {",
      ),
    ],
    tests: ["storage/log-record.test.ts", "storage/damage.test.ts"],
  },
  {
    number: 118,
    fault: "a record's checksum is not compared",
    traps: [65],
    edits: [
      edit(
        "storage/log-record.ts",
        "if (checksum !== crc32c(record.subarray(offsets.format))) throw",
        "if (checksum < 0) throw",
      ),
    ],
    tests: ["storage/log-record.test.ts", "storage/damage.test.ts"],
  },
  {
    number: 119,
    fault: "truncated records stay on the disk",
    edits: [
      edit(
        "storage/truncate-log.ts",
        "    for (let removed = first; removed <= last; removed += 1) rows",
        "    for (let removed = first; removed < first; removed += 1) rows",
      ),
    ],
    tests: store,
  },
  {
    number: 120,
    fault: "term and vote are written after the entries, not with them",
    traps: [3, 4],
    edits: [
      edit(
        "storage/engine-member-store.ts",
        "  if (batch.hardState !== undefined) rows.push(hardStateRow(hardState));\n",
        "",
      ),
      edit(
        "storage/engine-member-store.ts",
        "  addStateRows(state, batch, rows);\n  await commit(state, rows);\n",
        "  addStateRows(state, batch, rows);\n  await commit(state, rows);\n" +
          "  if (batch.hardState !== undefined) await state.engine.write([hardStateRow(hardState)]);\n",
      ),
    ],
    tests: store,
  },
  {
    number: 121,
    fault: "a committed entry may be truncated in the store",
    traps: [27],
    edits: [
      edit(
        "storage/batch-rules.ts",
        "assert(truncateFrom > before.hardState.commitIndex,",
        "assert(truncateFrom > 0 && before.hardState.commitIndex >= 0,",
      ),
    ],
    tests: store,
  },
  {
    number: 122,
    fault: "a state row's checksum is not compared",
    traps: [65],
    edits: [
      edit(
        "storage/checksummed-row.ts",
        "if (storedChecksum(value) === crc32c(content, crc32c(key))) return content;",
        "if (storedChecksum(value) >= 0 && key.length > 0) return content;",
      ),
    ],
    tests: ["storage/damage.test.ts"],
  },
  {
    number: 123,
    fault: "the name of a new directory is not synced",
    traps: [63],
    edits: [edit("storage/data-directory.ts", "      await syncDirectory(dirname(missing));\n", "")],
    tests: ["storage/synced-names.test.ts"],
  },
  {
    number: 124,
    fault: "a file takes its name before its content is synced",
    traps: [63],
    edits: [
      edit(
        "storage/data-directory.ts",
        "    await handle.writeFile(content);\n    await handle.sync();\n",
        "    await handle.writeFile(content);\n",
      ),
    ],
    tests: ["storage/synced-names.test.ts"],
  },
  {
    number: 130,
    fault: "rows of before are removed before the snapshot's rows take their place",
    traps: [74],
    edits: [
      edit(
        "storage/flip-generation.ts",
        "  sweeper.sweep(generationRange(before.generation), { reclaim: true });\n",
        "",
      ),
      edit(
        "storage/flip-generation.ts",
        "  await commit(state, rows, () => {",
        "  sweeper.sweep(generationRange(before.generation), { reclaim: true });\n  await sweeper.settled();\n  await commit(state, rows, () => {",
      ),
    ],
    tests: snapshots,
  },
  {
    number: 131,
    fault: "records are removed before the log's base says that they are not needed",
    traps: [68],
    edits: [
      edit("storage/compact-log.ts", "  sweeper.sweep(logRecords(before.index + 1, base.index));\n", ""),
      edit(
        "storage/compact-log.ts",
        "  await commit(state, [...formatRows(state), baseRow(moved)], () => {",
        "  sweeper.sweep(logRecords(before.index + 1, base.index));\n  await sweeper.settled();\n" +
          "  await commit(state, [...formatRows(state), baseRow(moved)], () => {",
      ),
    ],
    tests: snapshots,
  },
  {
    number: 132,
    fault: "an installed snapshot leaves the applied index as it was",
    traps: [69, 74],
    edits: [
      edit(
        "storage/flip-generation.ts",
        "{ ...state.progress, appliedIndex: index, tail:",
        "{ ...state.progress, tail:",
      ),
    ],
    tests: snapshots,
  },
  {
    number: 133,
    fault: "records that contradict an installed snapshot stay in the store",
    row: 21,
    traps: [74],
    edits: [edit("storage/flip-generation.ts", "if (own === undefined) await truncate(state, base.index, rows);", "")],
    tests: snapshots,
  },
  {
    number: 134,
    fault: "a snapshot says that it stands at the log's end",
    row: 23,
    edits: [
      edit(
        "storage/engine-state-snapshot.ts",
        "appliedIndex: readProgress(progress).appliedIndex,",
        "appliedIndex: readProgress(progress).tail.index,",
      ),
    ],
    tests: snapshots,
  },
  {
    number: 135,
    fault: "a snapshot has no sessions",
    row: 22,
    traps: [80],
    edits: [
      edit(
        "storage/engine-state-snapshot.ts",
        "return readStateRows(rows, { start: from, end }, pageBytes);",
        "return readStateRows(rows, { start: from, end: stateKey(generation, Uint8Array.of(0x73)) }, pageBytes);",
      ),
    ],
    tests: ["replica/snapshots.test.ts"],
  },
  {
    number: 136,
    fault: "how far an installation is, is written before its rows",
    edits: [
      edit(
        "storage/row-installation.ts",
        "    await writeApart(this.#state, marks ? [...changes, installationRow(stored)] : changes);\n",
        "    if (marks) await writeApart(this.#state, [installationRow(stored)]);\n    await writeApart(this.#state, changes);\n",
      ),
    ],
    tests: snapshots,
  },
  {
    number: 137,
    fault: "a start takes what the row of an installation tells for all that is there",
    edits: [
      edit(
        "storage/recover-installation.ts",
        "stored = withRows(stored, page);",
        "stored = withRows(stored, page.slice(page.length));",
      ),
    ],
    tests: snapshots,
  },
];
