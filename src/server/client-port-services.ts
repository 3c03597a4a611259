import type { DescService } from "@bufbuild/protobuf";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { ClusterService } from "../gen/raftkv/v1/cluster_service_pb.ts";
import { KvService } from "../gen/raftkv/v1/kv_service_pb.ts";
import { MaintenanceService } from "../gen/raftkv/v1/maintenance_service_pb.ts";

/** Every service of the client port. What members say to each other is not among them. */
export const clientPortServices: readonly DescService[] = [
  KvService,
  ClusterService,
  MaintenanceService,
  Health,
  ServerReflection,
  ServerReflectionV1Alpha,
];
