import type { Reporter, TestCase } from "vitest/node";

/** Names each test that was skipped and why, after the run: a skip that nobody sees is a test that nobody has. */
export default class SkipReporter implements Reporter {
  readonly #lines: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state !== "skipped") return;
    this.#lines.push(
      `skipped  ${test.module.relativeModuleId} > ${test.fullName}: ${result.note ?? "no reason given"}\n`,
    );
  }

  onTestRunEnd(): void {
    for (const line of this.#lines) process.stdout.write(line);
  }
}
