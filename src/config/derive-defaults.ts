import { type Address, formatAddress, isWildcard, parseAddress } from "./address.ts";
import type { GivenValues, OptionValues } from "./option-table.ts";

/** Fills in the options whose default follows from others. What it cannot know well is left for validation to refuse. */
export function deriveDefaults(given: GivenValues): OptionValues {
  const advertisePeerAddress = given.advertisePeerAddress ?? derivePeerAddress(given);
  const join = given.join ?? [];
  const alone = [{ name: given.name, peerAddress: formatAddress(advertisePeerAddress) }];
  return {
    ...given,
    join,
    dataDir: given.dataDir ?? `./data/${given.name}`,
    advertisePeerAddress,
    advertiseClientAddress:
      given.advertiseClientAddress ?? deriveClientAddress(given.clientAddress, advertisePeerAddress),
    initialCluster: given.initialCluster ?? (join.length > 0 ? [] : alone),
  };
}

function derivePeerAddress(given: GivenValues): Address {
  if (!isWildcard(given.peerAddress)) return given.peerAddress;
  const own = given.initialCluster?.find((member) => member.name === given.name);
  const address = own && parseAddress(own.peerAddress);
  return address?.ok ? address.value : given.peerAddress;
}

function deriveClientAddress(clientAddress: Address, advertisePeerAddress: Address): Address {
  return isWildcard(clientAddress) ? { host: advertisePeerAddress.host, port: clientAddress.port } : clientAddress;
}
