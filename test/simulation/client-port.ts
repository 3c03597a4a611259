import { kvReader } from "../../src/cli/kv-reader.ts";
import type { ProposalOutcome } from "../../src/replica/outcome.ts";
import type { Replica } from "../../src/replica/replica.ts";
import type { KvReader } from "../../src/server/kv-reader.ts";
import { whenFresh } from "../../src/server/read-path.ts";
import type { ServerIdentity } from "../../src/server/server-identity.ts";
import type { Reason, Refusal } from "../../src/server/status.ts";
import { utf8 } from "../kv/driver.ts";
import { BrokenRule, check } from "./broken-rule.ts";
import type { Dice } from "./dice.ts";
import { Freshness } from "./freshness.ts";
import type { Ledger } from "./ledger.ts";
import type { KnownValue, ReadPlan } from "./operation-plan.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** What a client gets for one attempt; nothing at all is possible, too. */
export type Answer =
  | { readonly type: "unreachable" }
  | { readonly type: "proposal"; readonly outcome: ProposalOutcome }
  | { readonly type: "read"; readonly found: KnownValue; readonly index: number; readonly revision: number }
  | { readonly type: "readFailed"; readonly reason: Reason };

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
  readonly #freshness: Freshness;
  /** As servers have: one for each replica, which remembers what the summary decodes to. */
  readonly #readers = new WeakMap<Replica, KvReader>();

  constructor(world: World, ledger: Ledger, dice: Dice) {
    this.#world = world;
    this.#ledger = ledger;
    this.#dice = dice;
    this.#freshness = new Freshness(world.coverage);
  }

  propose(member: SimMember, command: Uint8Array, call: Call): void {
    this.#reach(member, call, (replica, answer) => {
      const deadlineMs = deadlineOf(replica, call);
      replica.propose(command, { deadlineMs, forward: call.forward }, (outcome) =>
        answer({ type: "proposal", outcome }),
      );
    });
  }

  /** Reads a key; everything acknowledged up to `floor` must be seen by a linearizable read. */
  read(member: SimMember, read: ReadPlan, floor: number, call: Call): void {
    this.#reach(member, call, (replica, answer) => {
      const refuse = ({ reason }: Pick<Refusal, "reason">): void => answer({ type: "readFailed", reason });
      // What throws is an internal error to the client; it is the replica's to stop the member.
      const proceed = (step: () => void): void => {
        try {
          step();
        } catch (error) {
          if (error instanceof BrokenRule) throw error;
          refuse({ reason: "INTERNAL" });
        }
      };
      const deadlineMs = deadlineOf(replica, call);
      const environment = { replica, identity: identityOf(member), electionTimeoutMs: this.#electionTimeoutMs };
      const reader = this.#readerOf(replica);
      const local = {
        ofPairs: true,
        read: () => this.#serve(member, replica, read),
        answer: (served: Extract<Answer, { type: "read" }>) => {
          const { policy } = read;
          const { role, configurationAt } = replica.core;
          const status = { appliedIndex: replica.appliedIndex, role, configuration: configurationAt.configuration };
          this.#freshness.check(member, status, { policy, revision: served.revision, floor });
          answer(served);
        },
      };
      proceed(() =>
        whenFresh({ deadlineMs, forward: call.forward, refuse, proceed }, read.policy, environment, reader, local),
      );
    });
  }

  get #electionTimeoutMs(): number {
    return this.#world.plan.options.raft.electionTimeoutMs;
  }

  #readerOf(replica: Replica): KvReader {
    const known = this.#readers.get(replica) ?? kvReader(replica);
    this.#readers.set(replica, known);
    return known;
  }

  #serve(member: SimMember, replica: Replica, read: ReadPlan): Extract<Answer, { type: "read" }> {
    const { appliedIndex } = replica;
    const reader = this.#readerOf(replica);
    const pair = reader.readPair(utf8(read.key));
    const revision = reader.revision();
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
    return { type: "read", found, index: appliedIndex, revision };
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

/** As the services do: the answer that nothing came in time is to reach a client that still listens. */
function deadlineOf(replica: Replica, { timeoutMs }: Call): number {
  return replica.now() + timeoutMs - Math.min(timeoutMs * 0.1, 50);
}

/** What refusals tell of a member. */
function identityOf({ id }: SimMember): ServerIdentity {
  return { clusterId: "", memberId: id, name: id, clientAddress: `${id}:1`, version: "", buildRevision: "" };
}
