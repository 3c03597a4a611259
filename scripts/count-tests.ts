// Prints what .ci/run ends with: "N passed, N failed[, N skipped]", each check of `make verify` counted as one test.
// Usage: node scripts/count-tests.ts VERIFY_REPORT TEST_REPORT EXIT_CODE
// A report that is missing, a test file that broke before its tests and a failure without a test each count as failed.
import { existsSync, readFileSync } from "node:fs";

interface CheckResult {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
}

interface TestFile {
  readonly name: string;
  readonly status: "passed" | "failed";
  readonly message: string;
  readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
}

const [verifyReport = "", testReport = "", exitCode = "1"] = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };

function readReport<T>(path: string): T | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T) : undefined;
}

function fail(what: string): void {
  counts.failed++;
  process.stdout.write(`failed   ${what}\n`);
}

function countFile(file: TestFile): void {
  for (const { status, fullName } of file.assertionResults) {
    if (status === "passed") counts.passed++;
    else if (status === "failed") fail(`${file.name} > ${fullName}`);
    else counts.skipped++;
  }
  if (file.status === "failed" && !file.assertionResults.some((result) => result.status === "failed")) {
    fail(`${file.name}: ${file.message}`);
  }
}

const checks = readReport<readonly CheckResult[]>(verifyReport);
const tests = readReport<{ readonly testResults: readonly TestFile[] }>(testReport);
if (checks === undefined) fail("the checks left no report");
if (tests === undefined) fail("the tests left no report");
for (const { name, status } of checks ?? []) {
  if (status === "failed") fail(`check: ${name}`);
  else counts[status]++;
}
for (const file of tests?.testResults ?? []) countFile(file);
if (exitCode !== "0" && counts.failed === 0) fail(`make test ended with ${exitCode} although nothing above failed`);

const skipped = counts.skipped === 0 ? "" : `, ${counts.skipped} skipped`;
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;
