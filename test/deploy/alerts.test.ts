import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseMetrics } from "../lib/metrics-text.ts";
import { startServer } from "../server/server-harness.ts";

const root = resolve(import.meta.dirname, "../..");
const directory = join(root, "deploy/prometheus");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
  }[];
}

const rules = (parse(read("deploy/prometheus/raftkv-alerts.yaml")) as Rules).groups.flatMap((group) => group.rules);
const testFiles = ["raftkv-alerts.test.yaml", "raftkv-alerts-days.test.yaml"];
const tests = testFiles
  .flatMap((file) => (parse(read(`deploy/prometheus/${file}`)) as RuleTests).tests)
  .flatMap((each) => each.alert_rule_test);

const promtool = spawnSync("promtool", ["--version"]).error === undefined;
if (!promtool) process.stderr.write("skipped: promtool is not installed, so the alert rules are not run\n");

describe("the alert rules", () => {
  test
    .skipIf(!promtool)
    .for([
      ["check", "rules", "raftkv-alerts.yaml"],
      ...testFiles.map((file) => ["test", "rules", file]),
      ["check", "config", "prometheus.yaml"],
    ])("pass promtool %s %s %s", (line) => {
    const { status, stdout, stderr } = spawnSync("promtool", line, { cwd: directory, encoding: "utf8" });
    expect(status, stdout + stderr).toBe(0);
  });

  test("are each made to fire by a test", () => {
    const fired = new Set(tests.filter((each) => each.exp_alerts.length > 0).map((each) => each.alertname));
    expect(rules.map(({ alert }) => alert).filter((alert) => !fired.has(alert))).toEqual([]);
  });

  test("name no metric, and no label of one, that a member does not show", async () => {
    const { metrics } = await startServer({
      overrides: { disk: () => Promise.resolve({ availableBytes: 1, capacityBytes: 2 }) },
    });
    const samples = parseMetrics(await metrics.expose("prometheus"));
    const unknown = rules.flatMap(({ alert, expr }) =>
      [...expr.matchAll(/((?:raftkv|grpc|nodejs)_[a-z0-9_]+)\{([^}]*)\}/g)].flatMap(([, name = "", matchers = ""]) => {
        const found = samples.filter((sample) => sample.name === name);
        const labels = [...matchers.matchAll(/(\w+)(=~?)"([^"]*)"/g)].filter(([, label]) => label !== "job");
        const isShown = labels.every(([, label = "", operator, value = ""]) =>
          found.some(({ labels: shown }) =>
            // Codes other than OK are shown when the first call has ended with them.
            operator === "=~" ? true : shown[label] === value,
          ),
        );
        return found.length > 0 && isShown ? [] : [`${alert}: ${name}{${matchers}}`];
      }),
    );
    expect(unknown).toEqual([]);
  });

  test("are all in docs/alerts.md, in this order, and nothing else is", () => {
    const rows = [...read("docs/alerts.md").matchAll(/^\| `(\w+)` \| (critical|warning) \|/gm)];
    expect(rows.map(([, alert]) => alert)).toEqual(rules.map(({ alert }) => alert));
  });
});
