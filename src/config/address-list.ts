import { formatAddress, parseAddress } from "./address.ts";
import { type Parsed, parsed, unparsed } from "./parsed.ts";

/** Most addresses of a list. */
export const addressesMax = 50;

/** Reads "HOST:PORT,HOST:PORT", addresses to connect to; the result has each once, in the order given. */
export function parseAddressList(text: string): Parsed<readonly [string, ...string[]]> {
  const addresses: string[] = [];
  for (const item of text.split(",")) {
    const address = parseAddress(item.trim());
    if (!address.ok) return unparsed(`"${item}": ${address.problem}`);
    if (address.value.port === 0) return unparsed(`"${item}": nobody listens on port 0`);
    addresses.push(formatAddress(address.value));
  }
  const [first, ...rest] = new Set(addresses);
  if (first === undefined || rest.length >= addressesMax) {
    return unparsed(`it lists ${addresses.length} addresses; the limit is ${addressesMax}`);
  }
  return parsed([first, ...rest]);
}
