import { membersMax } from "../raft/configuration.ts";
import { formatAddress, isWildcard, parseAddress } from "./address.ts";
import { parseMemberName } from "./member-name.ts";
import { type Parsed, parsed, unparsed } from "./parsed.ts";

/** A member that the cluster starts with. */
export interface InitialMember {
  readonly name: string;
  /** HOST:PORT at which the other members reach it. */
  readonly peerAddress: string;
}

/** Reads "n1=HOST:PORT,n2=HOST:PORT"; the result is ordered by name, names and addresses are distinct. */
export function parseInitialCluster(text: string): Parsed<readonly InitialMember[]> {
  const members: InitialMember[] = [];
  for (const item of text.split(",")) {
    const member = parseMember(item.trim());
    if (!member.ok) return member;
    const clash = members.find(
      (other) => other.name === member.value.name || other.peerAddress === member.value.peerAddress,
    );
    if (clash?.name === member.value.name) return unparsed(`member ${clash.name} is listed twice`);
    if (clash !== undefined) {
      return unparsed(`members ${clash.name} and ${member.value.name} have the same address ${clash.peerAddress}`);
    }
    members.push(member.value);
  }
  if (members.length > membersMax) {
    return unparsed(`it lists ${members.length} members; the limit is ${membersMax}`);
  }
  return parsed(members.sort((a, b) => (a.name < b.name ? -1 : 1)));
}

/** Writes the members as {@link parseInitialCluster} reads them. */
export function formatInitialCluster(members: readonly InitialMember[]): string {
  return members.map((member) => `${member.name}=${member.peerAddress}`).join(",");
}

function parseMember(item: string): Parsed<InitialMember> {
  const separator = item.indexOf("=");
  if (separator < 0) return unparsed(`"${item}" is not NAME=HOST:PORT`);
  const name = parseMemberName(item.slice(0, separator));
  if (!name.ok) return unparsed(`"${item}": ${name.problem}`);
  const address = parseAddress(item.slice(separator + 1));
  if (!address.ok) return unparsed(`"${item}": ${address.problem}`);
  if (address.value.port === 0) return unparsed(`"${item}": the other members cannot connect to port 0`);
  if (isWildcard(address.value))
    return unparsed(`"${item}": the other members cannot connect to ${address.value.host}`);
  return parsed({ name: name.value, peerAddress: formatAddress(address.value) });
}
