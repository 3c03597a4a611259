import { defineConfig } from "vitest/config";

/** One project per layer, run one after the other: the cheap ones first, those that start processes alone. */
const layer = (groupOrder: number, name: string, include: string[], testTimeout: number, fileParallelism = true) => ({
  test: {
    name,
    include,
    testTimeout,
    hookTimeout: testTimeout,
    fileParallelism,
    pool: "forks" as const,
    sequence: { groupOrder },
  },
});

/** What .ci/run counts. */
const counted: ["json", { outputFile: string }] = ["json", { outputFile: ".cache/tests.json" }];

const rooms = "lib,raft,kv,storage,transport,replica,server,client,config,cli,docs,repository,deploy";

export default defineConfig({
  test: {
    reporters: ["default", "./scripts/skip-reporter.ts", ...(process.env["CI"] === undefined ? [] : [counted])],
    allowOnly: false,
    projects: [
      layer(0, "unit", [`test/{${rooms}}/**/*.test.ts`], 10_000),
      layer(1, "contract", ["test/contract/**/*.test.ts"], 30_000),
      layer(2, "integration", ["test/integration/**/*.test.ts", "test/mutations/**/*.test.ts"], 60_000),
      layer(3, "simulation", ["test/simulation/**/*.test.ts"], 300_000),
      layer(3, "model-check", ["test/model-check/**/*.test.ts"], 300_000),
      layer(4, "system", ["test/system/**/*.test.ts"], 300_000, false),
    ],
  },
});
