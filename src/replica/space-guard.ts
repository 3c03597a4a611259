import type { StateMachine } from "./state-machine.ts";
import type { StateView } from "./state-view.ts";

/** What stands in the way of more data: the quota of the state, or the space left on the disk. */
export type SpaceProblem = "quota" | "disk";

/** How much there is, and how much there may be. */
export interface SpaceStatus {
  /** About how many bytes the rows of the state come to. */
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** `null` while there is room. */
  readonly problem: SpaceProblem | null;
}

/** Room appears again below this part of the quota, so that the answer does not change with every key. */
const roomBelow = 0.95;

/** Says when the state may not grow any more. What takes nothing, or gives back, always goes on. */
export class SpaceGuard {
  readonly #stateMachine: StateMachine;
  readonly #view: StateView;
  readonly #quotaBytes: number;
  #usedBytes = 0;
  #overQuota = false;
  #diskLow = false;

  constructor(stateMachine: StateMachine, view: StateView, quotaBytes: number) {
    this.#stateMachine = stateMachine;
    this.#view = view;
    this.#quotaBytes = quotaBytes;
    this.look();
  }

  get status(): SpaceStatus {
    const problem = this.#diskLow ? "disk" : this.#overQuota ? "quota" : null;
    return { usedBytes: this.#usedBytes, quotaBytes: this.#quotaBytes, problem };
  }

  /** Looks again at how much there is. */
  look(): void {
    this.#usedBytes = this.#stateMachine.stateBytes?.(this.#view) ?? 0;
    const limit = this.#overQuota ? roomBelow * this.#quotaBytes : this.#quotaBytes;
    this.#overQuota = this.#usedBytes >= limit;
  }

  /** Notes whether the disk has less space left than it must have. */
  noteDisk(low: boolean): void {
    this.#diskLow = low;
  }

  /** Whether there is no room for what a command would add. */
  refuses(command: Uint8Array): boolean {
    if (this.status.problem === null) return false;
    return this.#stateMachine.mayGrow?.(command, this.#view) ?? true;
  }
}
