import type { MemberId } from "../../src/raft/configuration.ts";
import type { Term } from "../../src/raft/entry.ts";
import type { Message } from "../../src/raft/message.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import type { CoreMember } from "./core-network.ts";
import type { Coverage } from "./coverage.ts";
import { rule } from "./rule.ts";

interface SeenTransfer {
  readonly incarnation: number;
  readonly term: Term;
  readonly sinceMs: number;
}

/** Rules of leadership transfer (thesis, section 3.10). */
export class TransferChecks {
  /** The clock of the run, milliseconds. */
  now: () => number = () => 0;
  readonly #coverage: Coverage;
  /** An election timeout, and what ticks may be late. */
  readonly #lastsMsMax: number;
  readonly #transfers = new Map<MemberId, SeenTransfer>();
  /** Who was asked to campaign at once, and in which term. */
  readonly #asked = new Set<string>();

  constructor(lastsMsMax: number, coverage: Coverage) {
    this.#lastsMsMax = lastsMsMax;
    this.#coverage = coverage;
  }

  stepped(member: CoreMember, node: RaftNode): void {
    const seen = this.#transfers.get(member.id);
    const { incarnation } = member;
    const goesOn = seen?.incarnation === incarnation && seen.term === node.term;
    if (!node.transferring) {
      this.#transfers.delete(member.id);
      if (goesOn && node.role === "leader") this.#coverage.saw("transferAborted");
      return;
    }
    rule(node.role === "leader", () => `${member.id} hands over what it does not lead`);
    if (!goesOn) this.#transfers.set(member.id, { incarnation, term: node.term, sinceMs: this.now() });
    else if (member.pausedUntilMs <= seen.sinceMs) {
      rule(this.now() - seen.sinceMs <= this.#lastsMsMax, () => `${member.id} has been handing over for too long`);
    }
  }

  released(message: Message): void {
    if (message.type === "TimeoutNowRequest") this.#asked.add(`${message.term}/${message.to}`);
    if (message.type === "RequestVoteRequest" && message.leadershipTransfer) {
      rule(!message.preVote, "a transfer needs no pre-vote");
      rule(this.#asked.has(`${message.term - 1}/${message.from}`), () => `${message.from} was not asked to campaign`);
      this.#coverage.saw("transferCampaign");
    }
  }

  elected(id: MemberId, term: Term): void {
    if (this.#asked.has(`${term - 1}/${id}`)) this.#coverage.saw("transferDone");
  }
}
