/** Structured facts of a log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where log lines go; injected, so that the simulator can collect them. The first argument is the facts, as in pino. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** A logger that keeps silent. */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
