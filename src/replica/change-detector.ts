import type { RaftNode } from "../raft/raft-node.ts";

/** Notices between two turns what others outside the loop want to know of. */
export class ChangeDetector {
  readonly #node: RaftNode;
  #configuration = "";
  #everything = "";

  constructor(node: RaftNode) {
    this.#node = node;
  }

  /** Whether the configuration, and whether anything worth telling, differs from the last look. */
  look(caughtUp: boolean): { readonly configuration: boolean; readonly anything: boolean } {
    const { role, term, leaderId, configurationAt, commitIndex } = this.#node;
    const configuration = `${configurationAt.index} ${commitIndex >= configurationAt.index}`;
    const everything = `${role} ${term} ${leaderId} ${configuration} ${caughtUp}`;
    const changes = { configuration: configuration !== this.#configuration, anything: everything !== this.#everything };
    this.#configuration = configuration;
    this.#everything = everything;
    return changes;
  }
}
