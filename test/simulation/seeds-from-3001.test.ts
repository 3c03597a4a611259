import { testSeeds } from "./test-seeds.ts";

testSeeds(3001, 60, "snapshots");
