import { testSeeds } from "./test-seeds.ts";

testSeeds(1001, 150);
