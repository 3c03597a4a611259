import { readPair, readSummary } from "../../src/kv/read.ts";
import type { ProposalOutcome, ReadOutcome } from "../../src/replica/outcome.ts";
import type { Replica } from "../../src/replica/replica.ts";
import { utf8 } from "../kv/driver.ts";
import { BrokenRule, check } from "./broken-rule.ts";
import type { Dice } from "./dice.ts";
import type { Ledger } from "./ledger.ts";
import type { KnownValue, ReadPlan } from "./operation-plan.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** What a client gets for one attempt; nothing at all is possible, too. */
export type Answer =
  | { readonly type: "unreachable" }
  | { readonly type: "proposal"; readonly outcome: ProposalOutcome }
  | { readonly type: "read"; readonly found: KnownValue; readonly index: number; readonly revision: number }
  | { readonly type: "readFailed"; readonly reason: NonNullable<ReadOutcome> | "REVISION_NOT_REACHED" | "INTERNAL" };

/** One call of a client at one member. */
export interface Call {
  readonly timeoutMs: number;
  readonly forward: boolean;
  /** Called once at most; a lost answer is never heard of. */
  readonly answered: (answer: Answer) => void;
}

/** The way from clients to members: calls take time, and may be lost on the way there or back. It does what the gRPC services do. */
export class ClientPort {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #dice: Dice;

  constructor(world: World, ledger: Ledger, dice: Dice) {
    this.#world = world;
    this.#ledger = ledger;
    this.#dice = dice;
  }

  propose(member: SimMember, command: Uint8Array, call: Call): void {
    this.#reach(member, call, (replica, answer) => {
      const deadlineMs = replica.now() + call.timeoutMs;
      replica.propose(command, { deadlineMs, forward: call.forward }, (outcome) =>
        answer({ type: "proposal", outcome }),
      );
    });
  }

  /** Reads a key; everything acknowledged up to `floor` must be seen by a linearizable read. */
  read(member: SimMember, read: ReadPlan, floor: number, call: Call): void {
    this.#reach(member, call, (replica, answer) => {
      const deadlineMs = replica.now() + call.timeoutMs;
      const serve = (): void => answer(this.#serveOrFail(member, replica, read, floor));
      if (read.minRevision === undefined) {
        replica.readIndex({ deadlineMs, forward: call.forward }, (failure) => {
          if (failure === undefined) serve();
          else answer({ type: "readFailed", reason: failure });
        });
        return;
      }
      const { minRevision } = read;
      const reached = (): boolean => revisionOf(replica) >= minRevision;
      if (reachedOrFailed(reached)) serve();
      else {
        replica.waitApplied(reached, deadlineMs, (inTime) => {
          if (inTime) serve();
          else answer({ type: "readFailed", reason: "REVISION_NOT_REACHED" });
        });
      }
    });
  }

  /** What throws is an internal error to the client; it is the replica's to stop the member. */
  #serveOrFail(member: SimMember, replica: Replica, read: ReadPlan, floor: number): Answer {
    try {
      return this.#serve(member, replica, read, floor);
    } catch (error) {
      if (error instanceof BrokenRule) throw error;
      return { type: "readFailed", reason: "INTERNAL" };
    }
  }

  #serve(member: SimMember, replica: Replica, read: ReadPlan, floor: number): Answer {
    const { appliedIndex, role } = replica.status();
    const pair = readPair((row) => replica.stateRow(row), utf8(read.key));
    const found = {
      value: pair?.value === undefined ? null : Buffer.from(pair.value.data).toString(),
      modRevision: Number(pair?.modRevision ?? 0),
    };
    const due = this.#ledger.versionAt(read.key, appliedIndex);
    check(
      due.value === found.value && due.modRevision === found.modRevision,
      "reads see the state",
      () => `${member.id} at ${appliedIndex} reads ${JSON.stringify(found)}, the entries say ${JSON.stringify(due)}`,
    );
    if (read.minRevision === undefined) {
      check(
        appliedIndex >= floor,
        "reads are linearizable",
        () => `${member.id} serves entry ${appliedIndex}; ${floor} was acknowledged before the read began`,
      );
      this.#world.coverage.saw(role === "leader" ? "leaderServedLinearizableRead" : "followerServedLinearizableRead");
    } else {
      this.#world.coverage.saw("staleRead");
    }
    return { type: "read", found, index: appliedIndex, revision: revisionOf(replica) };
  }

  #reach(member: SimMember, call: Call, act: (replica: Replica, answer: (answer: Answer) => void) => void): void {
    const { queue } = this.#world;
    if (this.#isLost()) return;
    queue.after(this.#drawDelayMs(), () => {
      const { process } = member;
      if (process === undefined || member.replica === undefined) {
        this.#world.coverage.saw("connectionRefused");
        queue.after(this.#drawDelayMs(), () => call.answered({ type: "unreachable" }));
        return;
      }
      process.run(() => {
        const { replica } = member;
        if (replica === undefined) return;
        act(replica, (answer) => {
          if (!process.alive || this.#isLost()) return;
          queue.after(this.#drawDelayMs(), () => call.answered(answer));
        });
      });
    });
  }

  #isLost(): boolean {
    return this.#dice.chance(this.#world.plan.network.dropShare / 4);
  }

  #drawDelayMs(): number {
    return 0.1 + this.#dice.exponential(1);
  }
}

/** A state that cannot be read is left for serving to find out. */
function reachedOrFailed(reached: () => boolean): boolean {
  try {
    return reached();
  } catch {
    return true;
  }
}

function revisionOf(replica: Replica): number {
  return Number(readSummary((row) => replica.stateRow(row)).revision);
}
