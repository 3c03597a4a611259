import { CommandFailureReason, type CommandResult } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import { decodeResult } from "../../src/server/key-value.ts";
import type { Operation } from "../lib/linearizability.ts";
import { check } from "./broken-rule.ts";
import type { Answer, ClientPort } from "./client-port.ts";
import { ClientSession } from "./client-session.ts";
import type { Dice } from "./dice.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { drawOperation, type KnownValue, type ReadPlan, type WritePlan } from "./operation-plan.ts";
import type { SimMember } from "./sim-member.ts";
import type { World } from "./world.ts";

/** What a client works with. */
export interface ClientSurroundings {
  readonly world: World;
  readonly members: readonly SimMember[];
  readonly port: ClientPort;
  readonly history: History;
  readonly ledger: Ledger;
  /** Whether there is anything left to do; asked before each operation. */
  readonly takeOperation: () => boolean;
  /** Something to look at when the run is over. */
  readonly atEnd: (look: () => void) => void;
}

/** An operation under way. */
interface Running {
  readonly plan: ReadPlan | WritePlan;
  readonly invokedAt: number;
  readonly floor: number;
  readonly untilMs: number;
  readonly sequence: number | undefined;
  attempts: number;
  /** Whether an attempt ended without telling what became of it. */
  unknown: boolean;
  /** The command as it was last sent. */
  command: Uint8Array | undefined;
  ended: boolean;
}

/** One client: one operation at a time, tried again at other members as long as that is safe. */
export class Client {
  readonly #name: string;
  readonly #surroundings: ClientSurroundings;
  readonly #dice: Dice;
  readonly #session: ClientSession | undefined;
  readonly #pinned: SimMember | undefined;
  readonly #known = new Map<string, KnownValue>();
  #member: SimMember;
  #revision = 0;
  #values = 0;
  #running: Running | undefined;

  constructor(name: string, surroundings: ClientSurroundings, dice: Dice) {
    this.#name = name;
    this.#surroundings = surroundings;
    this.#dice = dice;
    const { workload } = surroundings.world.plan;
    this.#member = dice.pick(surroundings.members);
    this.#pinned = dice.chance(workload.pinnedShare) ? this.#member : undefined;
    this.#session = dice.chance(workload.sessionShare) ? new ClientSession(name) : undefined;
    this.#think();
  }

  /** Whether an operation is under way. */
  get busy(): boolean {
    return this.#running !== undefined;
  }

  #think(): void {
    const { world, takeOperation } = this.#surroundings;
    world.queue.after(this.#dice.real(0, world.plan.workload.thinkMsMax), () => {
      if (takeOperation()) this.#begin();
    });
  }

  #begin(): void {
    const { world, ledger } = this.#surroundings;
    const { workload } = world.plan;
    const fresh = (): string => `${this.#name}.${++this.#values}`;
    const plan = drawOperation(this.#dice, workload, this.#known, this.#revision, fresh);
    const { nowMs } = world.queue;
    this.#running = {
      plan,
      invokedAt: nowMs,
      floor: ledger.acknowledgedIndex,
      untilMs: nowMs + workload.operationTimeoutMs,
      sequence: plan.kind === "write" ? this.#session?.begin() : undefined,
      attempts: 0,
      unknown: false,
      command: undefined,
      ended: false,
    };
    this.#attempt(this.#running);
  }

  #attempt(running: Running): void {
    const { world, port } = this.#surroundings;
    const { queue, plan } = world;
    const attempt = ++running.attempts;
    let open = true;
    const answered = (answer: Answer): void => {
      if (!open || running.ended) return;
      open = false;
      world.trace.note(this.#name, () => `attempt ${attempt}: ${describeAnswer(answer)}`);
      this.#take(running, answer);
    };
    const { attemptTimeoutMs } = plan.workload;
    queue.after(attemptTimeoutMs, () => {
      if (!open || running.ended) return;
      open = false;
      running.unknown = true;
      this.#retryOrGiveUp(running, true);
    });
    world.trace.note(this.#name, () => `attempt ${attempt} at ${this.#member.id}: ${JSON.stringify(running.plan)}`);
    const call = { timeoutMs: attemptTimeoutMs, forward: !this.#dice.chance(0.1), answered };
    if (running.plan.kind === "read") {
      port.read(this.#member, running.plan, running.floor, call);
      return;
    }
    const id = running.sequence === undefined ? undefined : this.#session?.idOf(running.sequence);
    running.command = running.plan.command(id);
    port.propose(this.#member, running.command, call);
  }

  #take(running: Running, answer: Answer): void {
    const { coverage } = this.#surroundings.world;
    switch (answer.type) {
      case "unreachable":
        this.#retryOrGiveUp(running, true);
        return;
      case "readFailed":
        if (answer.reason === "OVERLOADED") coverage.saw("overloaded");
        if (answer.reason === "DEADLINE_EXCEEDED") coverage.saw("deadlinePassed");
        if (answer.reason === "TOO_STALE") coverage.saw("tooStale");
        if (answer.reason === "REVISION_NOT_REACHED") coverage.saw("revisionNotReached");
        this.#retryOrGiveUp(running, answer.reason !== "OVERLOADED");
        return;
      case "read":
        this.#endRead(running, answer);
        return;
      case "proposal":
        this.#takeOutcome(running, answer);
    }
  }

  #takeOutcome(running: Running, { outcome }: Extract<Answer, { type: "proposal" }>): void {
    const { coverage } = this.#surroundings.world;
    if (outcome.type === "applied") {
      this.#endWrite(running, outcome.result, outcome.index);
    } else if (outcome.type === "unknown") {
      coverage.saw("unknownOutcome");
      running.unknown = true;
      this.#retryOrGiveUp(running, true);
    } else {
      coverage.saw(outcome.reason === "OVERLOADED" ? "overloaded" : "droppedProposal");
      if (outcome.reason === "PROPOSAL_DROPPED") coverage.saw("proposalOverwritten");
      this.#retryOrGiveUp(running, outcome.reason !== "OVERLOADED");
    }
  }

  /** Another attempt, if one more is safe and there is time; the member is another one unless the client is tied to it. */
  #retryOrGiveUp(running: Running, elsewhere: boolean): void {
    const { world, members } = this.#surroundings;
    const safe = running.plan.kind === "read" || running.sequence !== undefined || !running.unknown;
    if (!safe || world.queue.nowMs >= running.untilMs) {
      this.#giveUp(running);
      return;
    }
    if (elsewhere && this.#pinned === undefined) {
      this.#member = this.#dice.pick(members);
      world.coverage.saw("retriedAtAnotherMember");
    }
    world.queue.after(this.#dice.real(1, 30), () => this.#attempt(running));
  }

  #giveUp(running: Running): void {
    const { ledger, world, atEnd } = this.#surroundings;
    const { plan, command } = running;
    if (plan.kind === "write" && running.unknown) {
      world.coverage.saw("abandonedRequest");
      this.#noteUnknown(running, plan);
    } else if (plan.kind === "write" && command !== undefined) {
      const request = this.#requestOf(running);
      atEnd(() => {
        const executed =
          request === undefined ? plan.unique && ledger.wasApplied(command) : ledger.executionOf(request) !== undefined;
        check(!executed, "dropped is not applied", () => `${this.#name}'s ${JSON.stringify(plan.operation)} was`);
      });
    }
    this.#end(running);
  }

  #endRead(running: Running, { found, index, revision }: Extract<Answer, { type: "read" }>): void {
    const { plan, invokedAt } = running;
    const { ledger } = this.#surroundings;
    if (plan.kind !== "read") return;
    if (plan.policy.linearizable) {
      ledger.acknowledgedIndex = Math.max(ledger.acknowledgedIndex, index);
      const operation: Operation = { kind: "get", output: found.value };
      this.#note(plan.key, operation, invokedAt, index);
    }
    this.#known.set(plan.key, found);
    this.#revision = Math.max(this.#revision, revision);
    this.#end(running);
  }

  #endWrite(running: Running, bytes: Uint8Array, index: number): void {
    const { plan, invokedAt } = running;
    if (plan.kind !== "write") return;
    const { ledger } = this.#surroundings;
    const { coverage } = this.#surroundings.world;
    const result = decodeResult(bytes);
    if (running.command !== undefined) ledger.acknowledged(running.command, index, bytes);
    if (result.result.case === "failure") {
      this.#endRefused(running, result.result.value.reason);
      return;
    }
    // Where it stands is the moment at which it took effect; one that is tried again may stand before its answer.
    const request = this.#requestOf(running);
    const executedIndex = request === undefined ? index : (ledger.executionOf(request)?.index ?? 0);
    check(
      executedIndex > running.floor,
      "writes are linearizable",
      () => `${this.#name}'s write stands at ${executedIndex}; ${running.floor} was acknowledged before it began`,
    );
    coverage.saw("acknowledgedWrite");
    const operation = answeredOperation(plan.operation, result);
    if (operation.kind === "cas") coverage.saw(operation.applied === true ? "cas" : "casRefused");
    this.#note(plan.key, operation, invokedAt, executedIndex);
    this.#revision = Math.max(this.#revision, Number(result.revision));
    this.#end(running);
  }

  /** The state machine refused the request: nothing was done now, but an earlier attempt may have been, even one of the member's own. */
  #endRefused(running: Running, reason: CommandFailureReason): void {
    const { SESSION_EXPIRED, TOO_MANY_PENDING, TOO_MANY_SESSIONS } = CommandFailureReason;
    const { plan } = running;
    check(
      reason === SESSION_EXPIRED || reason === TOO_MANY_PENDING || reason === TOO_MANY_SESSIONS,
      "requests are taken",
      () => `${this.#name} was refused for reason ${CommandFailureReason[reason]}`,
    );
    const { world } = this.#surroundings;
    if (reason === SESSION_EXPIRED) world.coverage.saw("sessionExpired");
    if (plan.kind === "write") this.#noteUnknown(running, plan);
    if (reason === SESSION_EXPIRED) this.#session?.renew();
    this.#end(running, reason !== SESSION_EXPIRED);
  }

  #requestOf({ sequence }: Running): { readonly clientId: string; readonly sequence: number } | undefined {
    const clientId = this.#session?.clientId;
    return sequence === undefined || clientId === undefined ? undefined : { clientId, sequence };
  }

  #noteUnknown(running: Running, { key, operation }: WritePlan): void {
    const { invokedAt, command } = running;
    if (command === undefined) return;
    this.#surroundings.history.addUnknown(key, { operation, invokedAt, command, request: this.#requestOf(running) });
  }

  #note(key: string, operation: Operation, invokedAt: number, index: number): void {
    const { history, world } = this.#surroundings;
    history.add(key, { operation, invokedAt, returnedAt: world.queue.nowMs, index });
  }

  #end(running: Running, sessionLives = true): void {
    running.ended = true;
    if (running.sequence !== undefined && sessionLives) this.#session?.end(running.sequence);
    this.#running = undefined;
    this.#think();
  }
}

function describeAnswer(answer: Answer): string {
  if (answer.type === "proposal") {
    const { type, index, term } = answer.outcome;
    return `${type} ${index}/${term}${answer.outcome.type === "dropped" ? ` ${answer.outcome.reason}` : ""}`;
  }
  return JSON.stringify(answer);
}

function answeredOperation(operation: WritePlan["operation"], { result }: CommandResult): Operation {
  if (operation.kind === "cas") {
    check(result.case === "put", "answers fit", () => `a put was answered with ${result.case}`);
    return { ...operation, applied: result.value.applied };
  }
  if (operation.kind === "increment") {
    check(result.case === "increment", "answers fit", () => `an increment was answered with ${result.case}`);
    return { ...operation, output: Number(result.value.value) };
  }
  check(result.case === operation.kind, "answers fit", () => `a ${operation.kind} was answered with ${result.case}`);
  return operation;
}
