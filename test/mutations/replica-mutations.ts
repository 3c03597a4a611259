import { edit, type Mutation } from "./mutation.ts";

const replicas = ["replica/replica.test.ts", "replica/proposal.test.ts"];
const snapshots = ["replica/snapshot-traps.test.ts", "replica/snapshots.test.ts"];
const forwarding = ["replica/forwarding.test.ts", "replica/replica.test.ts", "replica/forwarding-cluster.test.ts"];

/** Faults in the loop between core, store, state machine and links. */
export const replicaMutations: readonly Mutation[] = [
  {
    number: 160,
    fault: "a deposed leader answers with another command's result",
    edits: [
      edit("replica/proposal.ts", "if (appended.term === term) appended", "if (appended.index === index) appended"),
    ],
    tests: replicas,
  },
  {
    number: 161,
    fault: "messages of a write leave before it",
    row: 8,
    traps: [2, 33],
    edits: [
      edit(
        "replica/replica-loop.ts",
        "if (ready.write !== undefined) this.writer.write(ready.write);",
        "if (ready.write !== undefined) {\n      this.#send(ready.write.messages);\n" +
          "      this.writer.write(ready.write);\n    }",
      ),
    ],
    tests: [],
  },
  {
    number: 162,
    fault: "an error in the loop is logged, and the member carries on",
    traps: [95],
    edits: [
      edit(
        "replica/replica-loop.ts",
        "    } catch (error) {\n      this.fail(error);",
        '    } catch (error) {\n      this.#deps.logger.error({ err: error }, "carries on");',
      ),
    ],
    tests: replicas,
  },
  {
    number: 163,
    fault: "a command without a request id is tried again after it may have been applied",
    edits: [
      edit(
        "replica/forwarder.ts",
        'this.#deps.inspect(proposal.command) === "retrySafe"',
        'this.#deps.inspect(proposal.command) !== "unknown"',
      ),
    ],
    tests: forwarding,
  },
  {
    number: 164,
    fault: "what was tried again ends as not applied, though the first attempt may have been",
    edits: [edit("replica/forwarder.ts", "retryable.push(perhapsApplied(proposal));", "retryable.push(proposal);")],
    tests: forwarding,
  },
  {
    number: 165,
    fault: "numbers of forwarded batches begin anew at every start",
    edits: [
      edit(
        "replica/replica-loop.ts",
        "firstBatchId: randomId(random) });",
        "firstBatchId: Math.min(1, randomId(random)) });",
      ),
    ],
    tests: forwarding,
  },
  {
    number: 166,
    fault: "rows that are being written are not seen",
    edits: [
      edit("replica/state-view.ts", "this.#waiting.get(name) ?? this.#writing?.get(name);", "this.#waiting.get(name);"),
    ],
    tests: ["replica/state-view.test.ts", ...replicas],
  },
  {
    number: 167,
    fault: "a proposal past its deadline is said not to be applied, though it stands in the log",
    edits: [
      edit(
        "replica/proposal.ts",
        'appended.proposal.done({ type: "unknown", index: appended.index, term: appended.term });',
        'drop(appended.proposal, "DEADLINE_EXCEEDED");',
      ),
    ],
    tests: replicas,
  },
  {
    number: 168,
    fault: "an entry is left out when applying pauses for large results",
    edits: [
      edit(
        "replica/applier.ts",
        "this.#fetched = [...entries.slice(position + 1), ...this.#fetched];",
        "this.#fetched = [...entries.slice(position + 2), ...this.#fetched];",
      ),
    ],
    tests: replicas,
  },
  {
    number: 169,
    fault: "a write is not awaited before the next",
    traps: [30],
    edits: [edit("replica/replica-loop.ts", "this.node.ready(!this.writer.busy);", "this.node.ready(true);")],
    tests: replicas,
  },
  {
    number: 170,
    fault: "rows go to the store ahead of the entries that made them",
    traps: [69],
    edits: [
      edit(
        "replica/store-writer.ts",
        "    this.#writtenAppliedIndex = appliedIndex;\n    return { stateChanges, appliedIndex };",
        "    const before = this.#writtenAppliedIndex;\n    this.#writtenAppliedIndex = appliedIndex;\n" +
          "    return { stateChanges, appliedIndex: Math.max(before, appliedIndex - 1) };",
      ),
    ],
    tests: replicas,
  },
  {
    number: 171,
    fault: "a snapshot is installed while a write is under way",
    traps: [73],
    edits: [
      edit(
        "replica/snapshot-installer.ts",
        "if (this.#prepared === null || this.#installing || writer.busy) return;",
        "if (this.#prepared === null || this.#installing || (writer.busy && node.term < 0)) return;",
      ),
    ],
    tests: snapshots,
  },
  {
    number: 172,
    fault: "callers are not told that a snapshot took their entries' place",
    traps: [79],
    edits: [edit("replica/snapshot-installer.ts", "    proposals.replaced(index);\n", "")],
    tests: snapshots,
  },
  {
    number: 173,
    fault: "a compaction keeps nothing for whoever is fetching a snapshot",
    traps: [76],
    edits: [
      edit(
        "replica/compaction-policy.ts",
        "return pinnedIndex === null || sizeBytes > options.pinnedBytesMax ? target : Math.min(target, pinnedIndex);",
        "return pinnedIndex === null || sizeBytes >= 0 ? target : Math.min(target, pinnedIndex);",
      ),
    ],
    tests: ["replica/compaction-policy.test.ts"],
  },
  {
    number: 174,
    fault: "entries are forgotten whose effects are not durable yet",
    row: 23,
    edits: [
      edit(
        "replica/compactor.ts",
        "return Math.min(this.#deps.writer.durableAppliedIndex, this.#deps.node.appliedIndex);",
        "return this.#deps.node.appliedIndex;",
      ),
    ],
    tests: snapshots,
  },
  {
    number: 175,
    fault: "a transfer begins anew after every failure",
    traps: [75],
    edits: [
      edit(
        "replica/snapshot-fetcher.ts",
        'if (leader !== null && (code === "SNAPSHOT_GONE" || left)) this.#beginAnew(leader);',
        'if (leader !== null && (code !== "SNAPSHOT_GONE" || !left)) this.#beginAnew(leader);',
      ),
    ],
    tests: snapshots,
  },
  {
    number: 176,
    fault: "nobody tells the core how long a write has taken",
    traps: [58],
    edits: [
      edit("replica/replica-loop.ts", "Number.POSITIVE_INFINITY : this.disk.ageMs", "Number.POSITIVE_INFINITY : 0"),
    ],
    tests: ["replica/hung-disk.test.ts"],
  },
  {
    number: 177,
    fault: "a write that never ends stops nobody",
    traps: [58],
    edits: [
      edit(
        "replica/disk-watch.ts",
        "if (this.#ageMs < writeStallMsMax) return;",
        "if (this.#ageMs < 2 * writeStallMsMax) return;",
      ),
    ],
    tests: ["replica/disk-watch.test.ts"],
  },
  {
    number: 178,
    fault: "a snapshot that is being installed is given up for a later one",
    edits: [
      edit("replica/snapshot-fetcher.ts", "if (this.#deps.installer.installing) return;", ""),
      edit("storage/begin-installation.ts", "installation?.finishing !== true", "installation !== null"),
    ],
    tests: ["replica/snapshot-fetcher.test.ts"],
  },
  {
    number: 179,
    fault: "a read for a follower may be larger than a message",
    edits: [
      edit(
        "replica/log-reader.ts",
        "Math.min(options.readBytesMax, options.raft.appendBytesMax)",
        "options.readBytesMax",
      ),
    ],
    tests: ["replica/log-reader.test.ts"],
  },
];
