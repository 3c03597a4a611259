import { testSeeds } from "./test-seeds.ts";

// Several files, so that the processors share the work. More seeds: npm run sim, make soak.
testSeeds(1, 100);
testSeeds(4001, 50, "storage");
