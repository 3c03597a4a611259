import type { DevMember } from "./dev-plan.ts";

/** What to type next, in another shell. */
export function nextSteps(plan: readonly DevMember[]): string[] {
  const [first] = plan;
  if (first === undefined) return [];
  const port = (address: string) => address.slice(address.lastIndexOf(":") + 1);
  const service = (member: DevMember) => `localhost:${port(member.clientAddress)} raftkv.v1.KvService`;
  const other = plan[1] ?? first;
  return [
    "",
    `${plan.length === 1 ? "One member serves" : `${plan.length} members serve`} on ${plan.map((member) => member.clientAddress).join(", ")}. In another shell:`,
    "",
    `  grpcurl -plaintext -d '{"key":"greeting","value":"hello"}' ${service(other)}/Put`,
    `  grpcurl -plaintext -d '{"key":"greeting"}' ${service(first)}/Get`,
    `  curl -s localhost:${port(first.metricsAddress)}/metrics`,
    `  bin/raftkv put greeting hello --endpoints ${other.clientAddress}`,
    `  bin/raftkv status --endpoints ${first.clientAddress}`,
    "",
    "Ctrl-C stops every member; the data stays.",
    "",
  ];
}
