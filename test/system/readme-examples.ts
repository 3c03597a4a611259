/** A command that a document shows, and what the document says that it prints. */
export interface Example {
  readonly command: string;
  /** `undefined` when the document shows no output. */
  readonly output: string | undefined;
  /** Line of the command in the document, from 1. */
  readonly line: number;
}

/** Finds the fenced blocks that are marked `<!-- test: run -->`, each with the `<!-- test: output -->` that follows it. */
export function findExamples(markdown: string): Example[] {
  const examples: Example[] = [];
  const marked = /<!-- test: (run|output) -->\n+```\w*\n([\s\S]*?)\n```/g;
  for (const { 1: mark, 2: content = "", index } of markdown.matchAll(marked)) {
    const line = markdown.slice(0, index).split("\n").length + 2;
    const last = examples.at(-1);
    if (mark === "run") examples.push({ command: content, output: undefined, line });
    else if (last === undefined || last.output !== undefined) throw new Error(`line ${line}: output of no example`);
    else examples[examples.length - 1] = { ...last, output: content };
  }
  return examples;
}

/**
 * Whether a command printed what the document shows, up to numbers, ids of 16 hexadecimal digits and spaces.
 * A line of `...` in `expected` stands for any number of lines.
 */
export function matchesOutput(expected: string, printed: string): boolean {
  const pattern = normalize(expected)
    .map((line) => (line === "..." ? "(?:.*\n)*?" : `${escapePattern(line)}\n`))
    .join("");
  return new RegExp(`^${pattern}$`).test(`${normalize(printed).join("\n")}\n`);
}

function normalize(text: string): string[] {
  return text
    .trim()
    .split("\n")
    .map((line) =>
      line
        .replace(/\b[0-9a-f]{16}\b/g, "ID")
        .replace(/\d+(\.\d+)?/g, "N")
        .replace(/\s+/g, " ")
        .trim(),
    );
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
