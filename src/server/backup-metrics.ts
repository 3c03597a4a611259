import { Counter, Gauge, type Registry } from "prom-client";

const results = ["sent", "broken_off"] as const;

/** What the server tells of backups that clients ask this member for. */
export interface BackupMetrics {
  readonly backupBegun: () => void;
  readonly backupSentBytes: (count: number) => void;
  /** It was sent to its end, or broke off: the client went away, the member is stopping, or a row could not be read. */
  readonly backupEnded: (result: (typeof results)[number]) => void;
}

/** Registers what is told of backups, every series from the start. */
export function registerBackupMetrics(registry: Registry): BackupMetrics {
  const ended = new Counter({
    name: "raftkv_backups_total",
    help: "Backups that this member began to send and that have ended (result: sent, broken_off).",
    labelNames: ["result"],
    registers: [registry],
  });
  for (const result of results) ended.inc({ result }, 0);
  const underWay = new Gauge({ name: "raftkv_backups_inflight", help: "Backups under way.", registers: [registry] });
  const bytes = new Counter({
    name: "raftkv_backup_sent_bytes_total",
    help: "Bytes of backups sent.",
    registers: [registry],
  });
  const lastSuccess = new Gauge({
    name: "raftkv_backup_last_success_timestamp_seconds",
    help: "When this member last sent a backup to its end, seconds since 1970; 0 when it never did since it started.",
    registers: [registry],
  });
  return {
    backupBegun: () => underWay.inc(),
    backupSentBytes: (count) => bytes.inc(count),
    backupEnded: (result) => {
      underWay.dec();
      ended.inc({ result });
      if (result === "sent") lastSuccess.setToCurrentTime();
    },
  };
}
