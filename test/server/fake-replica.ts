import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Command,
  type CommandResult,
  CommandResultSchema,
  CommandSchema,
  type Pair,
  PairSchema,
} from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import type { ChangeOutcome, TransferOutcome } from "../../src/replica/administration.ts";
import type { CompactionOutcome } from "../../src/replica/compactor.ts";
import type { HashOutcome } from "../../src/replica/hash-waiters.ts";
import type { MembershipEdit } from "../../src/replica/membership-edit.ts";
import type { ProposalOutcome, ReadDone, ReadOutcome } from "../../src/replica/outcome.ts";
import type { OpenOutcome } from "../../src/replica/state-opener.ts";
import type { KvReader } from "../../src/server/kv-reader.ts";
import type { ProposalCallback, ReplicaPort, ReplicaStatus } from "../../src/server/replica-port.ts";
import type { ServerIdentity } from "../../src/server/server-identity.ts";

/** Member that the fake replica is. */
export const selfId = "00000000000000a1";
/** Another member. */
export const otherId = "00000000000000b2";

const twoVoters = votersOnly([
  { id: selfId, name: "n1", peerAddress: "n1.test:7000" },
  { id: otherId, name: "n2", peerAddress: "n2.test:7000" },
]);

/** Who the server under test answers as. */
export const testIdentity: ServerIdentity = {
  clusterId: "00000000000000c0",
  memberId: selfId,
  name: "n1",
  clientAddress: "n1.test:50051",
  version: "1.2.3",
  buildRevision: "abc",
};

/** A proposal that a test holds back. */
export interface HeldProposal {
  readonly command: Uint8Array;
  readonly options: { readonly deadlineMs: number; readonly forward: boolean };
  readonly done: ProposalCallback;
}

/** A replica of one process without consensus: applies at once, or ends each proposal as the test says. */
export class FakeReplica implements ReplicaPort, KvReader {
  /** Proposals seen, in order. */
  readonly proposals: HeldProposal[] = [];
  /** Outcome of every proposal; `undefined` applies it. */
  outcome: ProposalOutcome | undefined;
  /** Hold proposals back instead of answering them. */
  holding = false;
  /** Outcome of every read. */
  readOutcome: ReadOutcome;
  leaseLapses = 0;
  /** Result instead of the one that applying gives. */
  result: CommandResult | undefined;
  readonly reads: { readonly deadlineMs: number; readonly forward: boolean }[] = [];
  /** What the other member told as its client address. */
  otherClientAddress = "n2.test:50051";
  /** Changes of membership asked for, in order. */
  readonly changes: { readonly edit: MembershipEdit; readonly expectedIndex: number | null }[] = [];
  /** Outcome of every change. */
  changeOutcome: ChangeOutcome = { type: "unknown" };
  /** Targets of the transfers asked for, in order. */
  readonly transfers: (string | null)[] = [];
  /** Outcome of every transfer. */
  transferOutcome: TransferOutcome = { type: "failed" };
  /** Trailing entries of the compactions asked for, in order. */
  readonly compactions: (number | null)[] = [];
  /** Outcome of every compaction. */
  compactionOutcome: CompactionOutcome = { type: "refused" };
  readonly #pairs = new Map<string, Pair>();
  readonly #listeners = new Set<() => void>();
  readonly #waiting: { readonly reached: () => boolean; readonly done: (reached: boolean) => void }[] = [];
  #revision = 0;
  #status: ReplicaStatus = {
    memberId: selfId,
    role: "leader",
    term: 7,
    leaderId: selfId,
    commitIndex: 12,
    appliedIndex: 12,
    firstIndex: 1,
    lastIndex: 13,
    logSizeBytes: 4096,
    configuration: twoVoters,
    configurationIndex: 1,
    committedConfiguration: { index: 1, configuration: twoVoters },
    caughtUp: true,
    leaderContactAgeMs: 0,
    pendingProposals: 3,
    snapshotReceived: null,
    snapshotsSent: [],
    space: { usedBytes: 100, quotaBytes: 1000, problem: null },
    integrity: { divergence: null, split: false, lastHash: null },
    peers: [{ memberId: otherId, matchIndex: 11, inflightMessages: 2, contactAgeMs: 20 }],
  };

  freshness() {
    return this.#status;
  }

  leadership() {
    return this.#status;
  }

  status(): ReplicaStatus {
    return this.#status;
  }

  /** Changes the status and tells it. */
  become(change: Partial<ReplicaStatus>): void {
    this.#status = { ...this.#status, ...change };
    for (const listener of this.#listeners) listener();
  }

  propose(command: Uint8Array, options: HeldProposal["options"], done: ProposalCallback): void {
    const held = { command, options: { deadlineMs: options.deadlineMs, forward: options.forward }, done };
    this.proposals.push(held);
    if (!this.holding) setImmediate(() => this.release(held));
  }

  /** Ends a proposal that was held back. */
  release({ command, done }: HeldProposal): void {
    done(this.outcome ?? { type: "applied", result: this.#apply(command), index: 13, term: 7 });
  }

  readIndex({ deadlineMs, forward }: { readonly deadlineMs: number; readonly forward: boolean }, done: ReadDone): void {
    this.reads.push({ deadlineMs, forward });
    // Of the next reads so many find, when they have been served, that their lease was over.
    setImmediate(() => done(this.readOutcome, () => this.leaseLapses-- <= 0));
  }

  waitApplied(reached: () => boolean, deadlineMs: number, done: (reached: boolean) => void): void {
    const entry = { reached, done };
    this.#waiting.push(entry);
    setTimeout(() => this.#settle(entry, false), Math.max(0, deadlineMs - this.now()));
  }

  changeMembership(
    edit: MembershipEdit,
    options: { readonly deadlineMs: number; readonly expectedIndex: number | null },
    done: (outcome: ChangeOutcome) => void,
  ): void {
    this.changes.push({ edit, expectedIndex: options.expectedIndex });
    setImmediate(() => done(this.changeOutcome));
  }

  transferLeadership(target: string | null, _deadlineMs: number, done: (outcome: TransferOutcome) => void): void {
    this.transfers.push(target);
    setImmediate(() => done(this.transferOutcome));
  }

  /** Indexes at which a hash was asked for, in order; `null` for a new checkpoint. */
  readonly hashesAsked: (number | null)[] = [];
  /** Outcome of every wait for a hash. */
  hashOutcome: HashOutcome = { type: "late", index: null };

  hashState(index: number | null, _deadlineMs: number, done: (outcome: HashOutcome) => void): void {
    this.hashesAsked.push(index);
    setImmediate(() => done(this.hashOutcome));
  }

  isDiverged(): boolean {
    return this.#status.integrity.divergence !== null;
  }

  /** Outcome of every opening of the state. */
  openOutcome: OpenOutcome = { type: "refused" };

  compact(options: { readonly trailingEntries: number | null }, done: (outcome: CompactionOutcome) => void): void {
    this.compactions.push(options.trailingEntries);
    setImmediate(() => done(this.compactionOutcome));
  }

  openState(_deadlineMs: number, done: (outcome: OpenOutcome) => void): void {
    setImmediate(() => done(this.openOutcome));
  }

  stateRow(): Uint8Array | undefined {
    return undefined;
  }

  peerHello(memberId: string): { readonly clientAddress: string } | undefined {
    return memberId === otherId ? { clientAddress: this.otherClientAddress } : undefined;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  now(): number {
    return performance.now();
  }

  readPair(key: Uint8Array): Pair | undefined {
    return this.#pairs.get(Buffer.from(key).toString("hex"));
  }

  revision(): number {
    return this.#revision;
  }

  keys(): number {
    return this.#pairs.size;
  }

  sizeBytes(): number {
    return 0;
  }

  sessions(): number {
    return 2;
  }

  /** Moves the revision on as if other commands had been applied. */
  advanceTo(revision: number): void {
    this.#revision = revision;
    for (const entry of this.#waiting.filter(({ reached }) => reached())) this.#settle(entry, true);
  }

  #settle(entry: { readonly done: (reached: boolean) => void }, reached: boolean): void {
    const position = this.#waiting.findIndex(({ done }) => done === entry.done);
    if (position < 0) return;
    this.#waiting.splice(position, 1);
    entry.done(reached);
  }

  #apply(bytes: Uint8Array): Uint8Array {
    const result = this.result ?? this.#change(fromBinary(CommandSchema, bytes).command);
    return toBinary(CommandResultSchema, result);
  }

  #change(command: Command["command"]): CommandResult {
    const key = command.value?.key ?? new Uint8Array(0);
    const previous = this.readPair(key);
    const wanted = command.value?.ifModRevision;
    const applied = wanted === undefined || wanted === (previous?.modRevision ?? 0n);
    if (applied) this.#revision++;
    const shown = previous !== undefined && (!applied || command.value?.returnPrevious) ? { previous } : {};
    const base = { applied, ...shown };
    const revision = BigInt(this.#revision);
    switch (command.case) {
      case "put":
        if (applied)
          this.#store(key, command.value.value?.data ?? new Uint8Array(0), command.value.value?.text ?? false);
        return create(CommandResultSchema, { revision, result: { case: "put", value: base } });
      case "delete": {
        const deleted = applied && this.#pairs.delete(Buffer.from(key).toString("hex"));
        return create(CommandResultSchema, { revision, result: { case: "delete", value: { ...base, deleted } } });
      }
      case "increment": {
        const { delta } = command.value;
        const value = BigInt(Buffer.from(previous?.value?.data ?? []).toString() || "0") + delta;
        if (applied) this.#store(key, Buffer.from(String(value)), true);
        return create(CommandResultSchema, { revision, result: { case: "increment", value: { ...base, value } } });
      }
      case undefined:
        throw new Error("a command of no kind was proposed");
    }
  }

  #store(key: Uint8Array, data: Uint8Array, text: boolean): void {
    const before = this.readPair(key);
    const modRevision = BigInt(this.#revision);
    const pair = create(PairSchema, {
      key,
      value: { data, text },
      createRevision: before?.createRevision ?? modRevision,
      modRevision,
      version: (before?.version ?? 0n) + 1n,
    });
    this.#pairs.set(Buffer.from(key).toString("hex"), pair);
  }
}
