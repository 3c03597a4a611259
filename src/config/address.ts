import { isIPv6 } from "node:net";
import { type Parsed, parsed, unparsed } from "./parsed.ts";

/** A host and a port, apart. */
export interface Address {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose. */
  readonly port: number;
}

const pattern = /^(?:\[([^\]]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})))?:(0|[1-9]\d{0,4})$/;

/** Reads HOST:PORT; an IPv6 host stands in brackets, as in "[::1]:7001". */
export function parseAddress(text: string): Parsed<Address> {
  const match = pattern.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) {
    return unparsed('an address is HOST:PORT, such as "127.0.0.1:7001", "n1.example:7001" or "[::1]:7001"');
  }
  if (match[1] !== undefined && !isIPv6(host)) return unparsed(`"${host}" is not an IPv6 address`);
  const port = Number(match[3]);
  if (port > 65_535) return unparsed(`port ${port} is above 65535`);
  return parsed({ host, port });
}

/** Writes HOST:PORT, an IPv6 host in brackets. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether the host means every interface, so that it tells nobody where to connect. */
export function isWildcard(address: Address): boolean {
  return address.host === "0.0.0.0" || /^[0:]+$/.test(address.host);
}
