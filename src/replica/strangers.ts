import { type ConfigurationMember, isMember, type MemberId } from "../raft/configuration.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { PeerHello } from "../transport/peer-transport.ts";

/** Most strangers linked to at one time; a cluster has fewer members. */
const strangersMax = 16;

/** What of the core tells members from strangers. */
type View = Pick<RaftNode, "leaderId" | "configuration" | "reachableMembers">;

/**
 * Members of the cluster that this one's configuration lacks. Whoever was down, or has just joined, while members changed is
 * behind by the very entries that tell who leads now, and only such a stranger can send them: a member takes entries and
 * answers requests for votes whoever they come from (thesis, section 4.1). Strangers are let in only by a member that follows
 * no leader of its own configuration, so that members which were removed cannot come back in.
 */
export class Strangers {
  readonly #node: View;
  readonly #members = new Map<MemberId, ConfigurationMember>();

  constructor(node: View) {
    this.#node = node;
  }

  /** Whether the member is one, by this member's configuration. */
  isStranger(id: MemberId): boolean {
    return this.#node.reachableMembers.every((member) => member.id !== id);
  }

  /** Whether a stranger may be let in now. */
  mayEnter({ memberId, peerAddress = "" }: PeerHello): boolean {
    const room = this.#members.size < strangersMax || this.#members.has(memberId);
    return room && peerAddress !== "" && !this.#followsMember();
  }

  /** Lets a stranger in. */
  letIn({ memberId, name, peerAddress = "" }: PeerHello): void {
    this.#members.set(memberId, { id: memberId, name, peerAddress });
  }

  /** Keeps the leader linked when a configuration comes into force that lacks it, being older than the leader. */
  keepLeader(introductions: { hello(id: MemberId): PeerHello | undefined }): void {
    const { leaderId } = this.#node;
    const hello = leaderId === null || !this.isStranger(leaderId) ? undefined : introductions.hello(leaderId);
    if (hello !== undefined && this.mayEnter(hello)) this.letIn(hello);
  }

  /** Forgets those who are not needed any more, or are no strangers now; tells whether there were any. */
  forget(): boolean {
    const before = this.#members.size;
    if (before === 0) return false;
    const settled = this.#followsMember();
    for (const id of this.#members.keys()) if (settled || !this.isStranger(id)) this.#members.delete(id);
    return this.#members.size < before;
  }

  /** Those to link to, beside the members. */
  list(): readonly ConfigurationMember[] {
    return [...this.#members.values()];
  }

  #followsMember(): boolean {
    const { leaderId, configuration } = this.#node;
    return leaderId !== null && isMember(configuration, leaderId);
  }
}
