import { create } from "@bufbuild/protobuf";
import {
  type CreateSnapshotRequest,
  type CreateSnapshotResponse,
  CreateSnapshotResponseSchema,
  type MaintenanceService,
} from "../gen/raftkv/v1/maintenance_service_pb.ts";
import type { BackupService } from "./backup-service.ts";
import type { KvReader } from "./kv-reader.ts";
import { administrationOverloadedRefusal, shuttingDownRefusal } from "./refusals.ts";
import { responseHeader } from "./response-header.ts";
import type { ServiceHandlers } from "./service-definition.ts";
import type { Refusal } from "./status.ts";
import { type CallEnvironment, type UnaryCall, unaryHandler } from "./unary-call.ts";
import { revisionRefusal } from "./validate-request.ts";

const notCompacted: Refusal = {
  reason: "DEADLINE_EXCEEDED",
  message: "nothing was compacted in time: what is applied was not durable, or a snapshot is being installed",
};

/** Handlers of raftkv.v1.MaintenanceService over a replica. */
export function maintenanceService(
  environment: CallEnvironment,
  reader: KvReader,
  backups: BackupService,
  getHash: ServiceHandlers<typeof MaintenanceService>["getHash"],
): ServiceHandlers<typeof MaintenanceService> {
  return {
    createSnapshot: unaryHandler(environment, (call) => createSnapshot(call, environment, reader)),
    backup: backups.handle,
    getHash,
  };
}

function createSnapshot(
  call: UnaryCall<CreateSnapshotRequest, CreateSnapshotResponse>,
  environment: CallEnvironment,
  reader: KvReader,
): void {
  const { trailingEntries } = call.request;
  const refusal = revisionRefusal(trailingEntries, "trailing_entries");
  if (refusal !== undefined) {
    call.refuse(refusal);
    return;
  }
  const kept = trailingEntries === undefined ? null : Number(trailingEntries);
  environment.replica.compact({ trailingEntries: kept, deadlineMs: call.deadlineMs }, (outcome) => {
    if (outcome.type === "overloaded") {
      call.refuse(administrationOverloadedRefusal("requests to compact", outcome));
      return;
    }
    if (outcome.type === "refused") {
      call.refuse(environment.draining ? shuttingDownRefusal(environment) : notCompacted);
      return;
    }
    call.proceed(() =>
      call.answer(
        create(CreateSnapshotResponseSchema, {
          header: responseHeader(environment, BigInt(reader.revision())),
          firstIndex: BigInt(outcome.firstIndex),
          lastIndex: BigInt(outcome.lastIndex),
          logSizeBytes: BigInt(outcome.logSizeBytes),
        }),
      ),
    );
  });
}
