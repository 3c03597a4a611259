import { isWildcard, parseAddress } from "../config/address.ts";
import { parseMemberName } from "../config/member-name.ts";
import type { Refusal } from "./status.ts";

/** Why the name or id of a member is refused; `undefined` when it can be one. */
export function memberReferenceRefusal(idOrName: string, field: string): Refusal | undefined {
  // An id is 16 hexadecimal digits, which are a name too.
  const name = parseMemberName(idOrName);
  return name.ok ? undefined : memberInvalid(field, idOrName, name.problem);
}

/** Why name or address of a member to be are refused; `undefined` when they are good. */
export function newMemberRefusal(member: { readonly name: string; readonly peerAddress: string }): Refusal | undefined {
  const name = memberReferenceRefusal(member.name, "name");
  if (name !== undefined) return name;
  const address = parseAddress(member.peerAddress);
  const field = "peer_address";
  if (!address.ok) return memberInvalid(field, member.peerAddress, address.problem);
  if (address.value.port !== 0 && !isWildcard(address.value)) return undefined;
  return memberInvalid(field, member.peerAddress, "the other members cannot connect to a wildcard or to port 0");
}

function memberInvalid(field: string, given: string, problem: string): Refusal {
  const shown = JSON.stringify(given.slice(0, 100));
  return { reason: "MEMBER_INVALID", message: `${field} is ${shown}: ${problem}`, metadata: { field } };
}
