import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";
import { type Refusal, statusOf } from "../../src/server/status.ts";

function detailsOf(refusal: Refusal) {
  const told = statusOf(refusal);
  const bytes = told.metadata.get("grpc-status-details-bin")[0];
  if (!(bytes instanceof Buffer)) throw new Error("no details");
  return { told, decoded: fromBinary(StatusSchema, bytes) };
}

test("a refusal carries its code and message twice and its facts once", () => {
  const refusal: Refusal = { reason: "OVERLOADED", message: "3 calls; the limit is 2", metadata: { limit: "2" } };
  const { told, decoded } = detailsOf({ ...refusal, retryDelayMs: 1250 });
  expect(told).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: refusal.message });
  expect(decoded).toMatchObject({ code: told.code, message: told.details });
  const [info, retry] = decoded.details;
  expect(info && anyUnpack(info, ErrorInfoSchema)).toMatchObject({
    reason: "OVERLOADED",
    domain: "raftkv.v1",
    metadata: { limit: "2" },
  });
  expect(retry && anyUnpack(retry, RetryInfoSchema)?.retryDelay).toMatchObject({ seconds: 1n, nanos: 250_000_000 });
});

test("advice when to try again is left out where waiting does not help", () => {
  expect(detailsOf({ reason: "KEY_INVALID", message: "key is empty" }).decoded.details).toHaveLength(1);
});

test("a message is cut to what trailers hold, and never in the middle of a character", () => {
  const { told } = detailsOf({ reason: "INTERNAL", message: `${"x".repeat(1023)}😀 and more` });
  expect(told.details).toHaveLength(1024);
  expect(() => encodeURI(told.details)).not.toThrow();
});
