import type { MemberId } from "../../src/raft/configuration.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import type { SnapshotToFetch } from "../../src/raft/raft-state.ts";
import type { Random } from "../../src/raft/random.ts";
import type { CoreMember, CoreObserver } from "./core-network.ts";
import { imageBaseIndex, installImage } from "./durable-image.ts";

/** What carrying needs of the network. */
export interface SnapshotRoutes {
  readonly find: (id: MemberId) => CoreMember | undefined;
  readonly isCut: (from: MemberId, to: MemberId) => boolean;
  /** Runs as an input of the member as it is now, unless it has crashed by then. */
  readonly later: (member: CoreMember, delayMs: number, act: (node: RaftNode) => void) => void;
  readonly transferMs: () => number;
  readonly installMs: (member: CoreMember) => number;
  readonly random: Random;
  /** Told of every transfer and every installation that begins. */
  readonly underWay: (member: CoreMember) => void;
  readonly observer: CoreObserver;
}

/**
 * Brings members the snapshots that their cores ask for, and installs them as the store does: the state that a snapshot comes
 * to is the durable one of whoever gives it, it survives a crash once it is whole, and it takes the place of log and state in
 * one step. A snapshot here is nothing but where it stands.
 */
export class SnapshotCarrier {
  readonly #routes: SnapshotRoutes;

  constructor(routes: SnapshotRoutes) {
    this.#routes = routes;
  }

  /** A core asks for a snapshot. One at a time; another leader's takes the place of the one on its way. */
  fetch(member: CoreMember, wanted: SnapshotToFetch): void {
    if (member.installing !== null || member.fetching === wanted.from) return;
    if (member.fetched !== null && member.fetched.index >= wanted.index) return;
    member.fetching = wanted.from;
    this.#routes.later(member, this.#routes.transferMs(), () => this.#begin(member, wanted));
  }

  #begin(member: CoreMember, wanted: SnapshotToFetch): void {
    const { observer, later, find, isCut, transferMs } = this.#routes;
    if (member.fetching !== wanted.from) return;
    const source = find(wanted.from);
    const node = source?.node ?? null;
    const reaches = node !== null && !isCut(wanted.from, member.id) && source?.installing === null;
    const standsAt = source?.image.appliedIndex ?? 0;
    if (!reaches || standsAt < wanted.index || standsAt < node.firstIndex - 1) {
      observer.happened("snapshotNotGiven");
      member.fetching = null;
      return;
    }
    const base = node.logBaseAt(standsAt);
    this.#routes.underWay(member);
    later(member, transferMs(), () => {
      if (member.fetching !== wanted.from) return;
      member.fetching = null;
      member.fetched = base;
    });
  }

  /** Installs what was fetched, if this is the moment. To be called before every turn. */
  tryInstall(member: CoreMember, node: RaftNode): void {
    const { observer, later, installMs, random } = this.#routes;
    if (member.fetched === null || member.writing !== null || member.installing !== null) return;
    const base = member.fetched;
    const start = node.beginInstall(base);
    observer.happened(start === "begun" ? "snapshotBegun" : start === "later" ? "snapshotLater" : "snapshotOutdated");
    if (start === "later") return;
    member.fetched = null;
    if (start === "outdated") return;
    observer.installing(member, node, base);
    member.installing = base;
    this.#routes.underWay(member);
    later(member, installMs(member), (installed) => {
      member.installing = null;
      installImage(member.image, base);
      installed.installed();
      // Now and then a snapshot comes twice.
      if (random() < 0.2) member.fetched = base;
      observer.happened("snapshotInstalled");
    });
  }

  /** The process has died: what it was installing is installed, or still there, or lost. */
  settle(member: CoreMember): void {
    const { observer, random } = this.#routes;
    member.fetching = null;
    const base = member.installing;
    member.installing = null;
    if (base === null) return;
    if (random() < 0.5) {
      installImage(member.image, base);
      observer.happened("crashedAfterInstall");
    } else {
      if (random() < 0.5) member.fetched = base;
      observer.happened("crashedInstalling");
    }
  }
}

/** Index up to which a member could forget its log: what its disk has applied. */
export function compactableIndex({ image, node }: CoreMember): number {
  return node === null ? imageBaseIndex(image) : Math.min(image.appliedIndex, node.appliedIndex);
}
