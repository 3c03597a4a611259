import type { EventQueue } from "../raft/event-queue.ts";
import type { Coverage } from "./coverage.ts";
import type { MemberProcess } from "./member-process.ts";
import type { Plan } from "./plan.ts";
import type { Trace } from "./trace.ts";

/** What everything in a run shares. */
export interface World {
  readonly plan: Plan;
  readonly queue: EventQueue;
  readonly trace: Trace;
  readonly coverage: Coverage;
  /** Says that promises may have been settled: what waits for them runs before the next event. */
  touch(): void;
  /** A process has done something. */
  acted(process: MemberProcess): void;
}
