import { expect, test } from "vitest";
import { findExamples, matchesOutput } from "./readme-examples.ts";

const fence = "```";
const document = `# Title

${fence}sh
not marked
${fence}

<!-- test: run -->
${fence}sh
grpcurl localhost:1 list
${fence}
prints

<!-- test: output -->
${fence}text
a.v1.Service
${fence}

<!-- test: run -->
${fence}sh
two
lines
${fence}
`;

test("finds marked blocks only, with their outputs and lines", () => {
  expect(findExamples(document)).toEqual([
    { command: "grpcurl localhost:1 list", output: "a.v1.Service", line: 9 },
    { command: "two\nlines", output: undefined, line: 20 },
  ]);
});

test("an output of no example is an error", () => {
  expect(() => findExamples(`<!-- test: output -->\n${fence}\nx\n${fence}`)).toThrow("output of no example");
});

test("outputs match up to numbers, ids and spaces", () => {
  const shown = '{\n  "revision": "1",\n  "memberId": "0123456789abcdef"\n}';
  expect(matchesOutput(shown, '{ \n "revision": "4711",\n "memberId": "fedcba9876543210"\n}\n')).toBe(true);
  expect(matchesOutput(shown, '{\n "revision": "1",\n "leaderId": "0123456789abcdef"\n}')).toBe(false);
  expect(matchesOutput("a\n...\nz", "a\nb\nc\nz")).toBe(true);
  expect(matchesOutput("a\n...\nz", "a\nb\nc")).toBe(false);
  expect(matchesOutput("a", "a\nb")).toBe(false);
});
