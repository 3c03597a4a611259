import type { MemberId } from "../raft/configuration.ts";
import type { ForwardedResult, ForwardRequest, ForwardResponse, PeerMessage } from "../transport/peer-transport.ts";
import type { DropReason, ProposalOutcome } from "./outcome.ts";
import type { Proposal } from "./proposal.ts";

/** Commands of one ForwardRequest, and results of one ForwardResponse. */
const batchCommandsMax = 1024;
/** Bytes of commands or results of one message; a single one may be larger. */
const batchBytesMax = 1 << 20;

interface Batch {
  readonly to: MemberId;
  /** By position; answered ones are gone. */
  readonly waiting: Map<number, Proposal>;
}

/** Proposals that this member, as follower, passed on to the leader. */
export class ForwardedProposals {
  readonly #batches = new Map<number, Batch>();
  #nextId: number;
  #size = 0;

  /** `firstId` must not repeat at the next start: the leader may still answer what this member sent before it. */
  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  /** Proposals that wait for the leader's answer. */
  get size(): number {
    return this.#size;
  }

  /** Makes the messages that carry `proposals` to the leader, and waits for its answers. */
  send(from: MemberId, to: MemberId, proposals: readonly Proposal[], nowMs: number): ForwardRequest[] {
    const requests: ForwardRequest[] = [];
    for (const part of splitBatches(proposals, commandBytes)) {
      const id = this.#nextId++;
      this.#batches.set(id, { to, waiting: new Map(part.entries()) });
      this.#size += part.length;
      const commands = part.map(({ command, deadlineMs }) => ({ command, timeoutMs: Math.ceil(deadlineMs - nowMs) }));
      requests.push({ type: "ForwardRequest", from, to, id, commands });
    }
    return requests;
  }

  /**
   * Takes the leader's answers. Returns the proposals that the leader certainly did not propose because it does not lead:
   * they may be tried elsewhere. Answers to proposals that are no longer waited for change nothing.
   */
  answered(response: ForwardResponse): Proposal[] {
    const batch = this.#batches.get(response.id);
    if (batch === undefined || batch.to !== response.from) return [];
    const misdirected: Proposal[] = [];
    for (const result of response.results) {
      const proposal = batch.waiting.get(result.position);
      if (proposal === undefined) continue;
      batch.waiting.delete(result.position);
      this.#size--;
      if (result.outcome === "dropped" && result.reason === "NOT_LEADER") misdirected.push(proposal);
      else proposal.done(toOutcome(result));
    }
    if (batch.waiting.size === 0) this.#batches.delete(response.id);
    return misdirected;
  }

  /** Takes back what was sent to anyone but `leaderId`: its answers may never come, and what became of it is not known. */
  takeBackUnless(leaderId: MemberId | null): Proposal[] {
    return this.#takeBackWhere((batch) => batch.to !== leaderId);
  }

  /** Takes back what was sent to `peer`: it, or the answer, may be lost. */
  takeBackFrom(peer: MemberId): Proposal[] {
    return this.#takeBackWhere((batch) => batch.to === peer);
  }

  /** Answers "unknown" to those whose deadline has passed; returns how many. */
  expire(nowMs: number): number {
    let count = 0;
    for (const [id, batch] of this.#batches) {
      for (const [position, proposal] of batch.waiting) {
        if (proposal.deadlineMs > nowMs) continue;
        batch.waiting.delete(position);
        this.#size--;
        count++;
        proposal.done({ type: "unknown", index: 0, term: 0 });
      }
      if (batch.waiting.size === 0) this.#batches.delete(id);
    }
    return count;
  }

  #takeBackWhere(matches: (batch: Batch) => boolean): Proposal[] {
    const proposals: Proposal[] = [];
    for (const [id, batch] of this.#batches) {
      if (!matches(batch)) continue;
      proposals.push(...batch.waiting.values());
      this.#size -= batch.waiting.size;
      this.#batches.delete(id);
    }
    return proposals;
  }
}

/** Answers to the commands that other members passed on to this one, gathered so that a turn sends few messages. */
export class ForwardAnswers {
  readonly #byPeer = new Map<MemberId, Map<number, ForwardedResult[]>>();

  /** What to call when the command at `position` of a request has ended. */
  answerTo(request: ForwardRequest, position: number): (outcome: ProposalOutcome) => void {
    return (outcome) => {
      let requests = this.#byPeer.get(request.from);
      if (requests === undefined) {
        requests = new Map();
        this.#byPeer.set(request.from, requests);
      }
      const result = toResult(position, outcome);
      const results = requests.get(request.id);
      if (results === undefined) requests.set(request.id, [result]);
      else results.push(result);
    };
  }

  /** Takes the messages to send, by peer. */
  take(from: MemberId): ReadonlyMap<MemberId, PeerMessage[]> {
    if (this.#byPeer.size === 0) return nothing;
    const messages = new Map<MemberId, PeerMessage[]>();
    for (const [to, requests] of this.#byPeer) {
      const responses: ForwardResponse[] = [];
      for (const [id, all] of requests) {
        for (const results of splitBatches(all, resultBytes)) {
          responses.push({ type: "ForwardResponse", from, to, id, results });
        }
      }
      messages.set(to, responses);
    }
    this.#byPeer.clear();
    return messages;
  }
}

const nothing: ReadonlyMap<MemberId, PeerMessage[]> = new Map();

const commandBytes = ({ command }: Proposal): number => command.length;
const resultBytes = (result: ForwardedResult): number => (result.outcome === "applied" ? result.result.length : 0);

/** Splits what goes to one member into what one message may carry. */
function* splitBatches<Item>(items: readonly Item[], bytesOf: (item: Item) => number): Iterable<Item[]> {
  let part: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const full = part.length >= batchCommandsMax || bytes + bytesOf(item) > batchBytesMax;
    if (full && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += bytesOf(item);
  }
  if (part.length > 0) yield part;
}

function toResult(position: number, outcome: ProposalOutcome): ForwardedResult {
  const { index, term } = outcome;
  if (outcome.type === "applied") return { position, outcome: "applied", result: outcome.result, index, term };
  const reason = outcome.type === "dropped" ? outcome.reason : "";
  return { position, outcome: outcome.type, reason, index, term };
}

function toOutcome(result: ForwardedResult): ProposalOutcome {
  const { index, term } = result;
  if (result.outcome === "applied") return { type: "applied", result: result.result, index, term };
  const reason = result.outcome === "dropped" ? asDropReason(result.reason) : undefined;
  // A reason of another version cannot be trusted to mean "not applied".
  return reason === undefined ? { type: "unknown", index, term } : { type: "dropped", reason, index, term };
}

const dropReasons: readonly DropReason[] = [
  "NO_LEADER",
  "NOT_LEADER",
  "OVERLOADED",
  "NO_SPACE",
  "SHUTTING_DOWN",
  "PROPOSAL_DROPPED",
  "UNSUPPORTED_COMMAND",
  "DEADLINE_EXCEEDED",
];

function asDropReason(reason: string): DropReason | undefined {
  return dropReasons.find((known) => known === reason);
}
