/** Code of a system error, such as "ENOENT"; `undefined` for everything else. */
export function systemCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
