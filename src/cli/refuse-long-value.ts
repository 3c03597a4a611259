import { ClientError } from "../client/client-error.ts";
import { readMemberStatus } from "../client/cluster-status.ts";
import type { Value } from "../client/entry.ts";
import type { ClientTarget } from "./client-options.ts";

/** What a member takes that was not told otherwise, bytes; nobody is asked about values of this length. */
const usualBytesMax = 1024 * 1024;

/** How long the members may take to tell their limit, milliseconds; without it the value is sent. */
const askMsMax = 2000;

/**
 * Rejects with `VALUE_TOO_LARGE` when a value is longer than the first member that answers takes. A member that gets a request
 * far beyond its limit can only cut it off, and whether the write was applied would not be known.
 */
export async function refuseLongValue(value: Value, { endpoints, timeoutMs }: ClientTarget): Promise<void> {
  const size = typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
  if (size <= usualBytesMax) return;
  const asked = endpoints.map((address) => readMemberStatus(address, Math.min(timeoutMs, askMsMax)));
  const { name, maxValueBytes } = await Promise.any(asked).catch(() => ({ name: "", maxValueBytes: 0 }));
  if (maxValueBytes === 0 || size <= maxValueBytes) return;
  const failure = {
    code: "INVALID_ARGUMENT",
    reason: "VALUE_TOO_LARGE",
    metadata: { size: String(size), limit: String(maxValueBytes) },
    message: `value has ${size} bytes; the limit of ${name} is ${maxValueBytes} (max-value-size); nothing was sent`,
    retryDelayMs: 0,
    sent: false,
  } as const;
  throw new ClientError(failure, "not-applied");
}
