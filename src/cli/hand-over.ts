import type { Logger } from "../lib/logger.ts";
import { isVoter } from "../raft/configuration.ts";
import type { TransferOutcome } from "../replica/administration.ts";
import type { Replica } from "../replica/replica.ts";
import type { ServerMetrics } from "../server/metrics.ts";

/**
 * If the member leads others, hands leadership over before it stops, so that nobody has to wait out an election timeout.
 * Takes `limitMs` at most; when it fails, the others elect a leader by themselves, later.
 */
export async function handOver(
  replica: Replica,
  limitMs: number,
  metrics: ServerMetrics,
  logger: Logger,
): Promise<void> {
  const { role, configuration, memberId } = replica.status();
  const others = configuration.members.filter(({ id }) => id !== memberId && isVoter(configuration, id));
  if (role !== "leader" || others.length === 0) return;
  const startMs = replica.now();
  const outcome = await new Promise<TransferOutcome>((resolve) => {
    replica.transferLeadership(null, startMs + limitMs, resolve);
  });
  metrics.leadershipTransfer("shutdown", outcome.type);
  const tookMs = Math.round(replica.now() - startMs);
  if (outcome.type === "transferred") logger.info({ to: outcome.to, tookMs }, "handed leadership over");
  else logger.warn({ outcome, tookMs }, "leadership could not be handed over");
}
