import { defineConfig } from "vitest/config";

// One project per layer, so that `npm run test:unit` and its siblings run just theirs.
const layer = (name: string, include: string[], testTimeout: number, fileParallelism = true) => ({
  test: { name, include, testTimeout, hookTimeout: testTimeout, fileParallelism, pool: "forks" as const },
});

export default defineConfig({
  test: {
    projects: [
      layer(
        "unit",
        ["test/{lib,raft,kv,storage,transport,replica,server,config,cli,docs,repository}/**/*.test.ts"],
        10_000,
      ),
      layer("contract", ["test/contract/**/*.test.ts"], 30_000),
      layer("integration", ["test/integration/**/*.test.ts"], 60_000),
      layer("system", ["test/system/**/*.test.ts"], 300_000, false),
    ],
  },
});
