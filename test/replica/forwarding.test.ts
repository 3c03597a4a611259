import { expect, test } from "vitest";
import { ForwardAnswers, ForwardedProposals } from "../../src/replica/forwarding.ts";
import type { ProposalOutcome } from "../../src/replica/outcome.ts";
import type { Proposal } from "../../src/replica/proposal.ts";

function proposal(size = 1, deadlineMs = 100) {
  const outcomes: ProposalOutcome[] = [];
  const done = (outcome: ProposalOutcome) => outcomes.push(outcome);
  const value: Proposal = { command: new Uint8Array(size), deadlineMs, forward: true, receivedMs: 0, done };
  return { value, outcomes };
}

const applied = { outcome: "applied", result: new Uint8Array([1]), index: 9, term: 2 } as const;
const from = "follower";
const to = "leader";

test("proposals of a turn travel in one message, with what is left of their deadlines", () => {
  const forwarded = new ForwardedProposals(7);
  const requests = forwarded.send(from, to, [proposal(1, 150).value, proposal(2, 200.5).value], 100);
  expect(requests).toHaveLength(1);
  expect(requests[0]?.commands.map(({ command, timeoutMs }) => [command.length, timeoutMs])).toEqual([
    [1, 50],
    [2, 101],
  ]);
});

test("large proposals are split over messages, and every one arrives", () => {
  const forwarded = new ForwardedProposals(7);
  const list = Array.from({ length: 10 }, () => proposal(300_000).value);
  const requests = forwarded.send(from, to, list, 0);
  expect(requests.map((request) => request.commands.length)).toEqual([3, 3, 3, 1]);
  expect(new Set(requests.map((request) => request.id)).size).toBe(4);
});

test("an answer ends its proposal once, and a repeated one changes nothing", () => {
  const forwarded = new ForwardedProposals(7);
  const { value, outcomes } = proposal();
  const id = forwarded.send(from, to, [value], 0)[0]?.id ?? 0;
  const response = { type: "ForwardResponse", from: to, to: from, id, results: [{ position: 0, ...applied }] } as const;
  forwarded.answered(response);
  forwarded.answered(response);
  expect(outcomes).toEqual([{ type: "applied", result: applied.result, index: 9, term: 2 }]);
  expect(forwarded.size).toBe(0);
});

test("what the asked member did not propose because it does not lead comes back", () => {
  const forwarded = new ForwardedProposals(7);
  const { value, outcomes } = proposal();
  const id = forwarded.send(from, to, [value], 0)[0]?.id ?? 0;
  const result = { position: 0, outcome: "dropped", reason: "NOT_LEADER", index: 0, term: 0 } as const;
  expect(forwarded.answered({ type: "ForwardResponse", from: to, to: from, id, results: [result] })).toEqual([value]);
  expect(outcomes).toEqual([]);
});

test("a reason that this version does not know is not taken for «not applied»", () => {
  const forwarded = new ForwardedProposals(7);
  const { value, outcomes } = proposal();
  const id = forwarded.send(from, to, [value], 0)[0]?.id ?? 0;
  const result = { position: 0, outcome: "dropped", reason: "FROM_THE_FUTURE", index: 4, term: 2 } as const;
  forwarded.answered({ type: "ForwardResponse", from: to, to: from, id, results: [result] });
  expect(outcomes).toEqual([{ type: "unknown", index: 4, term: 2 }]);
});

test("a new leader takes back only what went to the one before", () => {
  const forwarded = new ForwardedProposals(7);
  const [before, now] = [proposal().value, proposal().value];
  forwarded.send(from, "old", [before], 0);
  forwarded.send(from, "new", [now], 0);
  expect(forwarded.takeBackUnless("new")).toEqual([before]);
  expect(forwarded.size).toBe(1);
  expect(forwarded.takeBackFrom("new")).toEqual([now]);
  expect(forwarded.size).toBe(0);
});

test("a forwarded proposal whose deadline passes ends as unknown", () => {
  const forwarded = new ForwardedProposals(7);
  const { value, outcomes } = proposal(1, 50);
  forwarded.send(from, to, [value], 0);
  expect(forwarded.expire(50)).toBe(1);
  expect(outcomes).toEqual([{ type: "unknown", index: 0, term: 0 }]);
  expect(forwarded.size).toBe(0);
});

test("answers of a turn to one request travel together", () => {
  const answers = new ForwardAnswers();
  const commands = [
    { command: new Uint8Array(), timeoutMs: 1 },
    { command: new Uint8Array(), timeoutMs: 1 },
  ];
  const request = { type: "ForwardRequest", from, to, id: 5, commands } as const;
  answers.answerTo(request, 1)({ type: "dropped", reason: "OVERLOADED", index: 0, term: 0 });
  answers.answerTo(request, 0)({ type: "applied", result: applied.result, index: 9, term: 2 });
  const results = [
    { position: 1, outcome: "dropped", reason: "OVERLOADED", index: 0, term: 0 },
    { position: 0, ...applied },
  ];
  expect(answers.take(to).get(from)).toEqual([{ type: "ForwardResponse", from: to, to: from, id: 5, results }]);
  expect(answers.take(to).size).toBe(0);
});

test("large answers are split over messages, so that none is larger than a frame may be", () => {
  const answers = new ForwardAnswers();
  const commands = Array.from({ length: 10 }, () => ({ command: new Uint8Array(), timeoutMs: 1 }));
  const request = { type: "ForwardRequest", from, to, id: 5, commands } as const;
  for (const position of commands.keys()) {
    answers.answerTo(request, position)({ type: "applied", result: new Uint8Array(300_000), index: 9, term: 2 });
  }
  const messages = answers.take(to).get(from) ?? [];
  const positions = messages.map((message) =>
    message.type === "ForwardResponse" ? message.results.map(({ position }) => position) : [],
  );
  expect(positions).toEqual([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]);
});
