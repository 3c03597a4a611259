import { setTimeout as sleep } from "node:timers/promises";

/** What is asked of each member. */
export interface LeaderView {
  readonly name: string;
  readonly role: string;
  readonly term: number;
}

/** A member that leads, in its term. */
export interface Leader {
  readonly name: string;
  readonly term: number;
}

/** How to watch. */
export interface WatchLeaderOptions {
  /** Asks every member that can be asked; never rejects. */
  readonly readViews: () => Promise<readonly LeaderView[]>;
  /** Called when another member, or term, or nobody (`undefined`) leads. */
  readonly onLeader: (leader: Leader | undefined) => void;
  /** Time between two rounds, milliseconds. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** Tells who leads whenever that changes, until the signal aborts. */
export async function watchLeader({ readViews, onLeader, intervalMs, signal }: WatchLeaderOptions): Promise<void> {
  let known: Leader | undefined;
  while (!signal.aborted) {
    const found = leaderOf(await readViews());
    if (!signal.aborted && (found?.name !== known?.name || found?.term !== known?.term)) onLeader(found);
    known = found;
    await sleep(intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** Of several that say so, the one of the highest term: the others have not heard yet. */
function leaderOf(views: readonly LeaderView[]): Leader | undefined {
  const leaders = views.filter((view) => view.role === "leader");
  return leaders.reduce<Leader | undefined>(
    (best, { name, term }) => (best === undefined || term > best.term ? { name, term } : best),
    undefined,
  );
}
