import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ConfigurationSchema } from "../../src/gen/raftkv/storage/v1/storage_pb.ts";
import type { Configuration } from "../../src/raft/configuration.ts";
import { decodeConfiguration, encodeConfiguration } from "../../src/storage/configuration-codec.ts";

const joint: Configuration = {
  voters: ["a", "b"],
  outgoingVoters: ["b", "c"],
  learners: ["d"],
  nextLearners: ["c"],
  members: ["a", "b", "c", "d"].map((id) => ({ id, name: `n-${id}`, peerAddress: `${id}.example:7001` })),
};

const encoded = (value: Parameters<typeof create<typeof ConfigurationSchema>>[1]) =>
  toBinary(ConfigurationSchema, create(ConfigurationSchema, value));

describe("configuration codec", () => {
  test("keeps every list of a joint configuration", () => {
    expect(decodeConfiguration(encodeConfiguration(joint))).toEqual(joint);
  });

  test.each([
    ["bytes that are no protobuf", new Uint8Array([0xff, 0xff, 0xff]), /cannot be decoded/],
    ["a voter that is no member", encoded({ voters: ["a"] }), /voters name a, which is no member/],
    ["lists out of order", encoded({ members: [{ id: "b" }, { id: "a" }] }), /members are not ordered/],
    ["an empty id", encoded({ members: [{ id: "" }] }), /members are not ordered/],
    [
      "a voter that learns",
      encoded({ members: [{ id: "a" }], voters: ["a"], learners: ["a"] }),
      /both voter and learner/,
    ],
  ])("refuses %s", (_what, bytes, message) => {
    expect(() => decodeConfiguration(bytes)).toThrow(expect.objectContaining({ code: "STATE_CORRUPT" }));
    expect(() => decodeConfiguration(bytes)).toThrow(message);
  });
});
