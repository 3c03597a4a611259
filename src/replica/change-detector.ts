import type { Configuration } from "../raft/configuration.ts";
import type { RaftNode } from "../raft/raft-node.ts";

/** Notices between two turns what others outside the loop want to know of. */
export class ChangeDetector {
  readonly #node: RaftNode;
  /** Compared by identity: another leader may put another configuration at the same index. */
  #configuration: Configuration | null = null;
  #isCommitted = false;
  #everything = "";

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
    const everything = `${role} ${term} ${leaderId} ${caughtUp}`;
    const anything = changed || everything !== this.#everything;
    this.#everything = everything;
    return { configuration: changed, anything };
  }
}
