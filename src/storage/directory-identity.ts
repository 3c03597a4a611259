import { isDeepStrictEqual } from "node:util";
import { RaftKvError } from "../lib/errors.ts";
import type { Configuration } from "../raft/configuration.ts";
import type { StoredIdentity } from "./meta-rows.ts";

/** What a directory has to say about itself, apart from its own random identity. */
export type ExpectedIdentity = Omit<StoredIdentity, "dataDirectoryId" | "formatVersion">;

/** Throws `DIRECTORY_MISMATCH`, naming what was found and what was expected, unless the directory is the expected one. */
export function checkIdentity(found: StoredIdentity, expected: ExpectedIdentity): void {
  same("cluster id", found.clusterId, expected.clusterId);
  same("member id", found.memberId, expected.memberId);
  same("storage engine", found.engine, expected.engine);
  if (isDeepStrictEqual(plain(found.bootstrapConfiguration), plain(expected.bootstrapConfiguration))) return;
  const [was, is] = [describe(found.bootstrapConfiguration), describe(expected.bootstrapConfiguration)];
  throw mismatch("initial cluster", was, is);
}

function same(what: string, found: string, expected: string): void {
  if (found !== expected) throw mismatch(what, found, expected);
}

function mismatch(what: string, found: string, expected: string): RaftKvError {
  return new RaftKvError("DIRECTORY_MISMATCH", `the directory has ${what} ${found}; it was opened with ${expected}`);
}

function plain(configuration: Configuration): unknown {
  return JSON.parse(JSON.stringify(configuration));
}

function describe({ members, voters }: Configuration): string {
  const names = members.map(
    ({ id, name, peerAddress }) => `${name}=${peerAddress}${voters.includes(id) ? "" : " (no voter)"}`,
  );
  return names.join(",");
}
