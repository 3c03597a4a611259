import { pino } from "pino";
import type { MemberConfig } from "../config/member-config.ts";
import type { LogFields, Logger } from "../lib/logger.ts";

/** Bytes of log lines that wait for a reader who is slow; more are dropped and counted. */
const waitingBytesMax = 1024 * 1024;

/** The log of a member process. */
export interface ProcessLog extends Logger {
  /** The line that says why the process stops. */
  fatal(fields: LogFields, message: string): void;
  /** Waits until everything is written, or `timeoutMs` has passed; then writes nothing more. */
  close(timeoutMs: number): Promise<void>;
}

/**
 * JSON lines on a file descriptor (default 2), each with the member's name. Lines are written off the event loop: a reader
 * who stalls costs log lines, never heartbeats.
 */
export function createLogger({ name, logLevel }: Pick<MemberConfig, "name" | "logLevel">, fd = 2): ProcessLog {
  const destination = pino.destination({ fd, sync: false, maxLength: waitingBytesMax });
  const logger = pino(
    {
      level: logLevel,
      base: { member: name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  let dropped = 0;
  destination.on("drop", () => {
    dropped += 1;
  });
  destination.on("drain", () => {
    if (dropped === 0) return;
    const lines = dropped;
    dropped = 0;
    logger.warn({ lines }, "log lines were dropped because nobody read them in time");
  });
  // Nobody is left to tell that the log cannot be written.
  destination.on("error", () => {});
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    fatal: (fields, message) => logger.fatal(fields, message),
    close: async (timeoutMs) => {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
        destination.flush(() => resolve());
      });
      clearTimeout(timer);
      // Or pino writes what is left when the process exits, synchronously, and a full pipe would keep the process.
      destination.destroy();
    },
  };
}
