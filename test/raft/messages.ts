import type { Entry, Index, LogPosition, Term } from "../../src/raft/entry.ts";
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  InstallSnapshotRequest,
  Message,
  RequestVoteRequest,
  RequestVoteResponse,
} from "../../src/raft/message.ts";

// Messages from "b" to "a" unless said otherwise.
interface Route {
  readonly from?: string;
  readonly to?: string;
}

const route = ({ from = "b", to = "a" }: Route) => ({ from, to });

/** The messages of one type. */
export function ofType<Type extends Message["type"]>(
  messages: readonly Message[],
  type: Type,
): Extract<Message, { type: Type }>[] {
  return messages.filter((message): message is Extract<Message, { type: Type }> => message.type === type);
}

/** Entries after `prev`, default none after the beginning. */
export function append(
  term: Term,
  fields: Route & {
    readonly prev?: LogPosition;
    readonly entries?: readonly Entry[];
    readonly commitIndex?: Index;
  } = {},
): AppendEntriesRequest {
  const { prev = { index: 0, term: 0 }, entries = [], commitIndex = 0 } = fields;
  const { index: prevLogIndex, term: prevLogTerm } = prev;
  return { type: "AppendEntriesRequest", ...route(fields), term, prevLogIndex, prevLogTerm, entries, commitIndex };
}

export function appended(term: Term, matchIndex: Index, fields: Route = {}): AppendEntriesResponse {
  const refusal = { rejectedIndex: 0, hintIndex: 0, hintTerm: 0 };
  return { type: "AppendEntriesResponse", ...route(fields), term, success: true, matchIndex, ...refusal };
}

export function refused(
  term: Term,
  rejectedIndex: Index,
  hint: LogPosition,
  fields: Route = {},
): AppendEntriesResponse {
  const [hintIndex, hintTerm] = [hint.index, hint.term];
  const head = { type: "AppendEntriesResponse", ...route(fields), term } as const;
  return { ...head, success: false, matchIndex: 0, rejectedIndex, hintIndex, hintTerm };
}

export function heartbeat(term: Term, commitIndex: Index, round = 1, fields: Route = {}): HeartbeatRequest {
  return { type: "HeartbeatRequest", ...route(fields), term, commitIndex, round };
}

export function heartbeatAnswer(
  term: Term,
  round: number,
  fields: Route & { readonly promisedMs?: number } = {},
): HeartbeatResponse {
  const { promisedMs = 0 } = fields;
  return { type: "HeartbeatResponse", ...route(fields), term, round, promisedMs };
}

/** Announces a snapshot; `commitIndex` is as far as the leader has committed, default no further. */
export function announce(
  term: Term,
  base: LogPosition,
  fields: Route & { readonly commitIndex?: Index } = {},
): InstallSnapshotRequest {
  const { index, term: indexTerm } = base;
  const { commitIndex = index } = fields;
  return { type: "InstallSnapshotRequest", ...route(fields), term, index, indexTerm, commitIndex };
}

/** Asks for a vote; `last` is where the candidate's log ends. */
export function askVote(
  term: Term,
  last: LogPosition,
  fields: Route & { readonly preVote?: boolean; readonly leadershipTransfer?: boolean } = {},
): RequestVoteRequest {
  const { preVote = false, leadershipTransfer = false } = fields;
  const [lastLogIndex, lastLogTerm] = [last.index, last.term];
  const head = { type: "RequestVoteRequest", ...route(fields), term } as const;
  return { ...head, lastLogIndex, lastLogTerm, preVote, leadershipTransfer };
}

export function vote(
  term: Term,
  granted: boolean,
  fields: Route & { readonly preVote?: boolean } = {},
): RequestVoteResponse {
  return { type: "RequestVoteResponse", ...route(fields), term, granted, preVote: fields.preVote ?? false };
}
