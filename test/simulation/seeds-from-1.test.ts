import { testSeeds } from "./test-seeds.ts";

// Two files, so that two processors share the work. More seeds: npm run sim, make soak.
testSeeds(1, 150);
