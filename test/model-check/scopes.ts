import { target } from "../raft/test-member.ts";
import { quietScope, type Scope } from "./scope.ts";

/** A scope under a name, and what it is there for. */
export interface NamedScope {
  readonly name: string;
  readonly about: string;
  readonly scope: Scope;
  /** Not searched by `make test`: a million states and more. */
  readonly isLarge: boolean;
}

type Fields = Partial<Omit<Scope, "limits">> & { readonly limits: Partial<Scope["limits"]> };

function small(name: string, about: string, { limits, ...fields }: Fields): NamedScope {
  const scope = { ...quietScope, ...fields, limits: { ...quietScope.limits, ...limits } };
  return { name, about, scope, isLarge: false };
}

function large(name: string, about: string, fields: Fields): NamedScope {
  return { ...small(name, about, fields), isLarge: true };
}

/** Where heartbeats are no part of the story they are all lost, which is allowed, and makes the worlds far fewer. */
const withoutHeartbeats = { lost: ["HeartbeatRequest"] } as const;
const fast = { slowWrites: false } as const;
const led = { startsLed: true } as const;

/** All of them, from the smallest idea to the largest. */
export const scopes: readonly NamedScope[] = [
  small("pair", "two members: elections, an entry and a crash, and writes that take their time", {
    ...withoutHeartbeats,
    voters: "ab",
    limits: { campaigns: 2, proposals: 1, crashes: 1 },
  }),
  small("elections", "two elections, and writes that take their time", {
    ...withoutHeartbeats,
    limits: { campaigns: 2 },
  }),
  small("entries", "two entries, and a change of leaders", {
    ...withoutHeartbeats,
    ...fast,
    ...led,
    limits: { campaigns: 1, proposals: 2 },
  }),
  small("slow-writes", "an entry, a change of leaders, and writes that take their time", {
    ...withoutHeartbeats,
    ...led,
    limits: { campaigns: 1, proposals: 1 },
  }),
  small("pre-vote", "timeouts and pre-votes while somebody leads", {
    ...fast,
    ...led,
    elections: "preVote",
    limits: { campaigns: 1 },
  }),
  small("duplicates", "any message arrives a second time", {
    ...withoutHeartbeats,
    voters: "ab",
    limits: { campaigns: 2, proposals: 1, duplicates: 1 },
  }),
  small("reads", "a linearizable read at anybody, while leaders change", {
    ...fast,
    ...led,
    limits: { campaigns: 1, reads: 1 },
  }),
  small("reads-of-a-pair", "two members, a read around an entry, and heartbeats that pass", {
    ...fast,
    ...led,
    voters: "ab",
    limits: { campaigns: 1, proposals: 1, beats: 1, reads: 1 },
  }),
  small("transfer", "leadership is handed over with an entry on its way, and somebody else campaigns", {
    ...withoutHeartbeats,
    ...fast,
    ...led,
    limits: { transfers: 1, campaigns: 1, proposals: 1 },
  }),
  small("grow", "two members become three, while leaders change", {
    ...withoutHeartbeats,
    ...fast,
    ...led,
    voters: "ab",
    newcomers: "c",
    targets: [target("abc")],
    limits: { changes: 1, campaigns: 1 },
  }),
  small("shrink", "three members become two, while leaders change", {
    ...withoutHeartbeats,
    ...fast,
    ...led,
    targets: [target("ab")],
    limits: { changes: 1, campaigns: 1 },
  }),
  small("remove-leader", "the leader is the one to go", {
    ...withoutHeartbeats,
    ...fast,
    ...led,
    targets: [target("bc")],
    limits: { changes: 1, campaigns: 1 },
  }),
  small("snapshot", "logs are compacted, and who lacks what is gone gets a snapshot", {
    ...fast,
    ...led,
    voters: "ab",
    limits: { compactions: 1, proposals: 1, beats: 1, campaigns: 1 },
  }),
  large("pre-vote-and-heartbeat", "the same, while the leader's heartbeats pass", {
    ...fast,
    ...led,
    elections: "preVote",
    limits: { campaigns: 1, beats: 1 },
  }),
  large("elections-and-crash", "two elections, and a crash before or after any write", {
    ...withoutHeartbeats,
    ...fast,
    limits: { campaigns: 2, crashes: 1 },
  }),
  large("entries-and-crash", "two entries, a change of leaders, and a crash before or after any write", {
    ...withoutHeartbeats,
    ...fast,
    ...led,
    limits: { campaigns: 1, proposals: 2, crashes: 1 },
  }),
  large("pair-of-entries", "two members, two entries, a crash, and writes that take their time", {
    ...withoutHeartbeats,
    voters: "ab",
    limits: { campaigns: 2, proposals: 2, crashes: 1 },
  }),
  large("any-duplicates", "every message arrives as often as it likes", {
    ...withoutHeartbeats,
    ...fast,
    keepsMessages: true,
    limits: { campaigns: 2 },
  }),
  large("three-terms", "an entry, and two changes of leaders", {
    ...withoutHeartbeats,
    ...fast,
    ...led,
    terms: 3,
    limits: { campaigns: 2, proposals: 1 },
  }),
];
