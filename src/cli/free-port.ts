import { once } from "node:events";
import { createServer } from "node:net";
import { formatAddress, parseAddress } from "../config/address.ts";
import type { MemberConfig } from "../config/member-config.ts";
import { RaftKvError } from "../lib/errors.ts";

/**
 * Replaces port 0 of the client address, and of the advertised one where it follows from it, by a port that is free now.
 * Another process may take it before the member does, which then fails to start with `ADDRESS_IN_USE` and may try again.
 */
export async function takeFreePort(config: MemberConfig): Promise<MemberConfig> {
  const address = parseAddress(config.clientAddress);
  if (!address.ok || address.value.port !== 0) return config;
  const port = await findFreePort(address.value.host);
  return {
    ...config,
    clientAddress: formatAddress({ ...address.value, port }),
    advertiseClientAddress: config.advertiseClientAddress.replace(/:0$/, `:${port}`),
  };
}

async function findFreePort(host: string): Promise<number> {
  const server = createServer();
  try {
    server.listen(0, host);
    await once(server, "listening");
    const address = server.address();
    if (address !== null && typeof address === "object") return address.port;
  } catch (cause) {
    throw new RaftKvError("ADDRESS_IN_USE", `cannot listen on ${host} for clients`, { cause });
  } finally {
    server.close();
  }
  throw new RaftKvError("ADDRESS_IN_USE", `cannot listen on ${host} for clients`);
}
