import { createEndpoint } from "../client/endpoint.ts";
import type { LeaderProxy } from "../server/leader-proxy.ts";

/** Reaches the leader as any client does. The calls are rare, so each has a connection of its own. */
export const grpcLeaderProxy: LeaderProxy = {
  pass: async (method, request, { address, timeoutMs }) => {
    const endpoint = createEndpoint(address);
    try {
      const result = await endpoint.call(method, request, timeoutMs, true);
      return result.ok ? result : { ok: false, ...result.failure };
    } finally {
      endpoint.close();
    }
  },
};
