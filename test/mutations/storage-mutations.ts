import { edit, type Mutation } from "./mutation.ts";

const store = ["storage/member-store.test.ts", "storage/store-model.test.ts"];
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
        "    this.#addState(batch, rows);\n    await this.#commit(rows);\n",
        "    const stateRows: RowChange[] = [];\n    this.#addState(batch, stateRows);\n    await this.#commit(rows);\n" +
          "    await this.#engine.write(stateRows);\n",
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
        "    this.#addState(batch, rows);\n    await this.#commit(rows);\n",
        "    const stateRows: RowChange[] = [];\n    this.#addState(batch, stateRows);\n" +
          "    await this.#engine.write(stateRows);\n    await this.#commit(rows);\n",
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
        "    store.write(batch).then(() => {\n",
        "    store.write(batch).catch(() => fail).then(() => {\n",
      ),
    ],
    tests: failures,
  },
  {
    number: 113,
    fault: "a store goes on after a failed write",
    traps: [30, 62, 66],
    edits: [
      edit(
        "storage/engine-member-store.ts",
        "      await writing;\n    } catch (error) {\n      throw this.#guard.fail(error);",
        "      await writing;\n    } catch (error) {\n      throw error instanceof Error ? error : this.#guard.fail(error);",
      ),
    ],
    tests: failures,
  },
  {
    number: 114,
    fault: "LevelDB writes without sync",
    traps: [67],
    edits: [edit("storage/classic-level-engine.ts", "return batch.write({ sync: true });", "return batch.write();")],
    tests: ["storage/write-failure.test.ts", "contract/storage/classic-level-engine.test.ts"],
  },
  {
    number: 115,
    fault: "the watermark stays up when the log is cut back below it",
    traps: [68],
    edits: [edit("storage/engine-member-store.ts", "      await keeper?.lowerTo(tail);\n", "")],
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
    tests: ["storage/watermark.test.ts"],
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
    edits: [edit("storage/engine-member-store.ts", "for (const change of deletes) rows.push(change);\n", "")],
    tests: store,
  },
  {
    number: 120,
    fault: "term and vote are written after the entries, not with them",
    traps: [3, 4],
    edits: [
      edit(
        "storage/engine-member-store.ts",
        "    this.#addState(batch, rows);\n    await this.#commit(rows);\n",
        "    this.#addState(batch, rows);\n    const first = batch.hardState === undefined ? undefined : rows.shift();\n" +
          "    await this.#commit(rows);\n    if (first !== undefined) await this.#engine.write([first]);\n",
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
        "if (stored === crc32c(content, crc32c(key))) return content;",
        "if (stored !== undefined && key.length > 0) return content;",
      ),
    ],
    tests: ["storage/damage.test.ts"],
  },
];
