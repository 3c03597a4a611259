// What stands where:
//
//   client port   interceptor (counts, receive timeout) -> KvService, ClusterService, MaintenanceService -> replica port
//                                                       -> Health, ServerReflection
//   metrics port  /metrics, /livez, /readyz, /startupz
import type { Server } from "@grpc/grpc-js";
import { clientPortDescriptors } from "../gen/client-port-descriptors.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { ClusterService } from "../gen/raftkv/v1/cluster_service_pb.ts";
import { KvService } from "../gen/raftkv/v1/kv_service_pb.ts";
import { MaintenanceService } from "../gen/raftkv/v1/maintenance_service_pb.ts";
import type { Logger } from "../lib/logger.ts";
import type { SpaceStatus } from "../replica/space-guard.ts";
import { BackupService, type MakeBackup } from "./backup-service.ts";
import { CallInterceptor } from "./call-interceptor.ts";
import { clusterService } from "./cluster-service.ts";
import { indexDescriptors } from "./descriptor-index.ts";
import { getHashHandler } from "./get-hash.ts";
import { bindGrpcServer, createGrpcServer, shutDownGrpcServer } from "./grpc-server.ts";
import { HealthService } from "./health-service.ts";
import { HttpEndpoints } from "./http-endpoints.ts";
import { kvService } from "./kv-service.ts";
import type { LeaderProxy } from "./leader-proxy.ts";
import { maintenanceService } from "./maintenance-service.ts";
import type { ServerMetrics } from "./metrics.ts";
import { allWell, Probes, type ProbesOptions } from "./probes.ts";
import { ReflectionService } from "./reflection-service.ts";
import { shuttingDownRefusal } from "./refusals.ts";
import { defaultServerLimits, type ServerLimits } from "./server-limits.ts";
import { addService } from "./service-definition.ts";
import type { MetricsSource } from "./state-metrics.ts";
import type { CallEnvironment } from "./unary-call.ts";

/** Names that the health service knows beside the services: the whole server, and whether this member leads. */
const wholeServer = "";
const leaderService = "raftkv.v1.Leader";

/** What a server is made of. */
export interface RaftKvServerOptions extends MetricsSource, Pick<ProbesOptions, "diskWriteAgeMs" | "diskWriteMsMax"> {
  /** host:port for clients; port 0 takes a free one. */
  readonly clientAddress: string;
  /** host:port for metrics and probes; port 0 takes a free one. */
  readonly metricsAddress: string;
  readonly logger: Logger;
  /** Makes a backup of a state that is open. */
  readonly makeBackup: MakeBackup;
  /** Reaches the leader for calls that only it can carry out. */
  readonly leaderProxy: LeaderProxy;
  /** Made before the replica, which tells them what happens; they belong to this server from now on. */
  readonly metrics: ServerMetrics;
  /** Limits that differ from {@link defaultServerLimits}. Default: none. */
  readonly limits?: Partial<ServerLimits>;
}

/** The client port and the metrics port of one member. Started once, drained once, closed for good. */
export class RaftKvServer {
  readonly #options: RaftKvServerOptions;
  readonly #environment: CallEnvironment;
  readonly #metrics: ServerMetrics;
  readonly #probes: Probes;
  readonly #health: HealthService;
  readonly #reflection: ReflectionService;
  readonly #backups: BackupService;
  readonly #interceptor: CallInterceptor;
  readonly #grpc: Server;
  readonly #http: HttpEndpoints;
  /** The address listened on, with its real port; set while there is one. */
  #boundAddress: string | undefined;
  #stopListening: (() => void) | undefined;
  #refresh: NodeJS.Timeout | undefined;
  #drained: Promise<boolean> | undefined;

  constructor(options: RaftKvServerOptions) {
    const { replica, identity, logger, electionTimeoutMs } = options;
    const limits = { ...defaultServerLimits, ...options.limits };
    this.#options = options;
    this.#metrics = options.metrics;
    this.#probes = new Probes(options);
    const health = {
      live: () => this.#probes.live(),
      ready: () => this.#probes.ready(),
      started: () => this.#probes.started(),
    };
    this.#metrics.attach(options, (check) => allWell(health[check]()));
    this.#environment = {
      replica,
      identity,
      electionTimeoutMs,
      limits,
      logger,
      inFlightCalls: 0,
      inFlightBytes: 0,
      draining: false,
      onRefused: this.#metrics.refused,
    };
    const services = [KvService, ClusterService, MaintenanceService].map(({ typeName }) => typeName);
    const names = [wholeServer, ...services, leaderService];
    this.#health = new HealthService(names, limits.healthWatchesMax);
    const index = indexDescriptors(Buffer.from(clientPortDescriptors, "base64"));
    this.#reflection = new ReflectionService(index, limits.reflectionStreamsMax);
    this.#backups = new BackupService(this.#environment, options.makeBackup, this.#metrics);
    const { receiveTimeoutMs } = limits;
    this.#interceptor = new CallInterceptor({ stats: this.#metrics.calls, now: () => replica.now(), receiveTimeoutMs });
    this.#grpc = createGrpcServer(limits, [this.#interceptor.intercept]);
    this.#addServices(limits.requestBytesMax);
    this.#http = new HttpEndpoints({ metrics: this.#metrics, probes: this.#probes, logger });
  }

  /** Calls that have not ended, streams not counted. */
  get callsUnderWay(): number {
    return this.#environment.inFlightCalls;
  }

  /** Listens on both addresses and tells their ports. Throws `ADDRESS_IN_USE`, and holds neither port then. */
  async start(): Promise<{ readonly clientPort: number; readonly metricsPort: number }> {
    const { clientAddress, metricsAddress, replica } = this.#options;
    const metricsPort = await this.#http.listen(metricsAddress);
    let clientPort: number;
    try {
      clientPort = await bindGrpcServer(this.#grpc, clientAddress);
      this.#boundAddress = clientAddress.replace(/:0$/, `:${clientPort}`);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#probes.markStarted();
    this.#stopListening = replica.onChange(() => this.#refreshHealth());
    // A lag that lasts is no change that the replica would tell.
    this.#refresh = setInterval(() => this.#refreshHealth(), 1_000).unref();
    this.#refreshHealth();
    return { clientPort, metricsPort };
  }

  /**
   * Tells watchers and probes that this member stops, refuses new calls, and waits at most `graceMs` for those under way.
   * The metrics port stays up. Tells whether every call finished by itself; idempotent.
   */
  drain(graceMs: number): Promise<boolean> {
    this.#drained ??= this.#drain(graceMs);
    return this.#drained;
  }

  /** Gives up both ports and cuts what is still open; idempotent. */
  async close(): Promise<void> {
    await this.drain(0);
    await this.#http.close();
  }

  #drain(graceMs: number): Promise<boolean> {
    this.#environment.draining = true;
    this.#probes.markDraining();
    this.#stopListening?.();
    clearInterval(this.#refresh);
    const refusal = shuttingDownRefusal(this.#environment);
    this.#health.close(refusal);
    this.#reflection.close(refusal);
    this.#backups.close(refusal);
    this.#interceptor.close();
    if (this.#boundAddress === undefined) return Promise.resolve(true);
    return shutDownGrpcServer(this.#grpc, this.#boundAddress, graceMs);
  }

  #addServices(requestBytesMax: number): void {
    const { replica, reader, leaderProxy } = this.#options;
    const hash = getHashHandler(this.#environment, leaderProxy);
    const { membershipChange, leadershipTransfer } = this.#metrics;
    const problems = () => this.#problems();
    const kv = kvService(this.#environment, { reader, onOperation: this.#metrics.operation });
    const cluster = clusterService(this.#environment, {
      reader,
      problems,
      startedAtMs: replica.now(),
      leaderProxy,
      onChange: membershipChange,
      onTransfer: (result) => leadershipTransfer("request", result),
    });
    addService(this.#grpc, KvService, kv, requestBytesMax);
    addService(this.#grpc, ClusterService, cluster, requestBytesMax);
    const maintenance = maintenanceService(this.#environment, reader, this.#backups, hash);
    addService(this.#grpc, MaintenanceService, maintenance, requestBytesMax);
    addService(this.#grpc, Health, this.#health.handlers, requestBytesMax);
    addService(this.#grpc, ServerReflection, this.#reflection.handlers, requestBytesMax);
    addService(this.#grpc, ServerReflection, this.#reflection.handlers, requestBytesMax, ServerReflectionV1Alpha);
  }

  #problems(): string[] {
    const checks = [...this.#probes.live(), ...this.#probes.ready()];
    const failed = checks.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`]));
    const { leaderId, space, integrity } = this.#options.replica.status();
    if (leaderId === null) failed.push("leader: no leader is known");
    if (space.problem !== null) failed.push(spaceProblem(space));
    if (integrity.split) failed.push("HASH_MISMATCH: the states of the members differ, and no majority agrees");
    return failed;
  }

  #refreshHealth(): void {
    const ready = allWell(this.#probes.ready());
    this.#health.set(wholeServer, allWell(this.#probes.live()));
    this.#health.set(KvService.typeName, ready);
    this.#health.set(ClusterService.typeName, true);
    this.#health.set(MaintenanceService.typeName, true);
    this.#health.set(leaderService, this.#options.replica.status().role === "leader");
  }
}

function spaceProblem({ problem, usedBytes, quotaBytes }: SpaceStatus): string {
  if (problem === "disk") return "NO_SPACE: the disk has less space left than storage-reserve";
  return `NO_SPACE: the state has ${usedBytes} bytes, its quota is ${quotaBytes}`;
}
