import type { MemberId } from "../../src/raft/configuration.ts";
import type { TransportIdentity } from "../../src/transport/transport-options.ts";

/** An identity of the test cluster. */
export function identityOf(memberId: MemberId, overrides: Partial<TransportIdentity> = {}): TransportIdentity {
  return {
    clusterId: "c1c1c1c1c1c1c1c1",
    memberId,
    name: `name-${memberId}`,
    dataDirectoryId: `directory-${memberId}`,
    clientAddress: `${memberId}.example:50051`,
    ...overrides,
  };
}
