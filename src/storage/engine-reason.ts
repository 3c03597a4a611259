/** What an engine says about an error; the binding wraps those of an opening. */
export function engineReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
