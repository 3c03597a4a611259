import { testSeeds } from "./test-seeds.ts";

testSeeds(1001, 100);
testSeeds(2001, 100, "membership");
