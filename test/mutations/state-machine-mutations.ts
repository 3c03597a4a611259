import { edit, type Mutation } from "./mutation.ts";

const sessions = ["kv/sessions.test.ts", "kv/model.test.ts"];
const operations = ["kv/operations.test.ts", "kv/model.test.ts"];

/** Faults in the state machine: what a command does, and how often. */
export const stateMachineMutations: readonly Mutation[] = [
  {
    number: 140,
    fault: "a retried request is applied again",
    row: 34,
    edits: [
      edit("kv/session-gate.ts", "if (hasSequence(session.answers, sequence)) {", "if (hasSequence([], sequence)) {"),
      edit(
        "kv/session-gate.ts",
        "const answers = addSequence(admitted.answers.left, sequence);",
        "const answers = hasSequence(admitted.answers.left, sequence) ? admitted.answers.left : addSequence(admitted.answers.left, sequence);",
      ),
    ],
    tests: sessions,
  },
  {
    number: 141,
    fault: "a request that was given up is applied when it comes late",
    traps: [82],
    edits: [
      edit(
        "kv/session-gate.ts",
        "  if (sequence < firstPending) return answeredBefore(requestId, firstPending);\n",
        "",
      ),
    ],
    tests: sessions,
  },
  {
    number: 142,
    fault: "the retry of an ended session is applied as new",
    traps: [83],
    edits: [
      edit(
        "kv/session-gate.ts",
        "if (rows.get(endedSessionKey(clientId)) !== undefined || firstPendingSequence > 1n) return expired(requestId);\n",
        "",
      ),
    ],
    tests: sessions,
  },
  {
    number: 143,
    fault: "another request under a used sequence gets the first one's answer",
    traps: [82],
    edits: [
      edit(
        "kv/session-gate.ts",
        "if (answer.fingerprint === fingerprint) return",
        "if (answer.fingerprint >= 0n) return",
      ),
    ],
    tests: sessions,
  },
  {
    number: 144,
    fault: "log time runs back with a leader's clock",
    traps: [81],
    edits: [
      edit(
        "kv/kv-state-machine.ts",
        "summary.timeMs = Math.max(summary.timeMs, context.timeMs);",
        "summary.timeMs = context.timeMs;",
      ),
    ],
    tests: sessions,
  },
  {
    number: 145,
    fault: "the order in which sessions end is not among the rows",
    row: 22,
    traps: [80],
    edits: [edit("kv/session-gate.ts", "      turn.rows.put(expiryKey(lastUsedMs, clientId), noValue);\n", "")],
    tests: sessions,
  },
  {
    number: 146,
    fault: "a live session that is used does not live longer",
    edits: [
      edit(
        "kv/session-gate.ts",
        'if (admission.kind !== "admitted") this.#save(turn, requestId.clientId, clientId, session, session);\n',
        "",
      ),
    ],
    tests: sessions,
  },
  {
    number: 147,
    fault: "conditions are not looked at",
    edits: [
      edit(
        "kv/operations.ts",
        "operation.ifModRevision === undefined || operation.ifModRevision === (current?.modRevision ?? 0n);",
        "operation.ifModRevision === undefined || operation.ifModRevision >= (current?.version ?? 0n);",
      ),
    ],
    tests: operations,
  },
  {
    number: 148,
    fault: "a deletion takes no revision",
    edits: [edit("kv/operations.ts", "  summary.revision++;\n  summary.keys--;", "  summary.keys--;")],
    tests: operations,
  },
  {
    number: 149,
    fault: "a sum beyond 64 bits is stored",
    edits: [edit("kv/operations.ts", "if (sum < integerMin || sum > integerMax) {", "if (sum < integerMin) {")],
    tests: operations,
  },
  {
    number: 150,
    fault: "a machine answers from what it remembers of itself, not from the rows",
    traps: [80],
    edits: [
      edit(
        "kv/row-memo.ts",
        "if (remembered !== undefined && sameBytes(remembered.row, row)) return",
        "if (remembered !== undefined) return",
      ),
    ],
    tests: sessions,
  },
];
