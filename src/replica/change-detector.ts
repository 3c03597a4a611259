import type { Configuration, MemberId } from "../raft/configuration.ts";
import type { Term } from "../raft/entry.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { Role } from "../raft/raft-state.ts";

/** Notices between two turns what others outside the loop want to know of. */
export class ChangeDetector {
  readonly #node: RaftNode;
  /** Compared by identity: another leader may put another configuration at the same index. */
  #configuration: Configuration | null = null;
  #isCommitted = false;
  #term: Term = 0;
  #role: Role | null = null;
  #leaderId: MemberId | null = null;
  #caughtUp = false;

  constructor(node: RaftNode) {
    this.#node = node;
  }

  /** Whether the configuration, and whether anything worth telling, differs from the last look. */
  look(caughtUp: boolean): { readonly configuration: boolean; readonly anything: boolean } {
    const { role, term, leaderId, commitIndex } = this.#node;
    const { index, configuration } = this.#node.configurationAt;
    const isCommitted = commitIndex >= index;
    const changed = configuration !== this.#configuration || isCommitted !== this.#isCommitted;
    this.#configuration = configuration;
    this.#isCommitted = isCommitted;
    const leadership = role !== this.#role || term !== this.#term || leaderId !== this.#leaderId;
    const anything = changed || leadership || caughtUp !== this.#caughtUp;
    this.#role = role;
    this.#term = term;
    this.#leaderId = leaderId;
    this.#caughtUp = caughtUp;
    return { configuration: changed, anything };
  }
}
