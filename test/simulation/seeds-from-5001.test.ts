import { testSeeds } from "./test-seeds.ts";

testSeeds(5001, 160, "wipes");
