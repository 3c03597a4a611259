import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { clientPortServices } from "../../src/server/client-port-services.ts";
import { otherId } from "../server/fake-replica.ts";
import { startServer } from "../server/server-harness.ts";

const promtool = spawnSync("promtool", ["--version"]).error === undefined;
if (!promtool) process.stderr.write("skipped: promtool is not installed, so the metrics are not linted\n");

describe("probes", () => {
  test("answer ok in one line, and with every check when asked", async () => {
    const { metricsUrl } = await startServer();
    for (const path of ["/livez", "/readyz", "/startupz"]) {
      const response = await fetch(metricsUrl + path);
      expect([path, response.status, await response.text()]).toEqual([path, 200, "ok\n"]);
    }
    const verbose = await (await fetch(`${metricsUrl}/readyz?verbose`)).text();
    expect(verbose).toContain("[+]caught-up ok\n[+]apply-lag ok\n");
  });

  test("say why when they fail, without being asked", async () => {
    const { metricsUrl, server } = await startServer();
    await server.drain(100);
    const response = await fetch(`${metricsUrl}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("[-]draining failed: is shutting down\n");
    expect((await fetch(`${metricsUrl}/livez`)).status).toBe(200);
  });

  test("tell a stuck disk from a working one", async () => {
    let age = 0;
    const { metricsUrl } = await startServer({ overrides: { diskWriteAgeMs: () => age } });
    expect((await fetch(`${metricsUrl}/livez`)).status).toBe(200);
    age = 30_001;
    const response = await fetch(`${metricsUrl}/livez`);
    expect([response.status, await response.text()]).toEqual([
      503,
      expect.stringContaining("a write has taken 30001 ms; the limit is 30000 ms"),
    ]);
  });
});

describe("other requests", () => {
  test("are not found, or not allowed", async () => {
    const { metricsUrl } = await startServer();
    const missing = await fetch(`${metricsUrl}/other`);
    expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining("/metrics")]);
    const posted = await fetch(`${metricsUrl}/metrics`, { method: "POST", body: "x" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await fetch(`${metricsUrl}/livez`, { method: "HEAD" })).status).toBe(200);
  });
});

describe("metrics", () => {
  test("follow what happens", async () => {
    const { call, metrics, metricsUrl, replica } = await startServer();
    await call(KvService.method.put, { key: "k" });
    await call(KvService.method.put, { key: "" }).catch(() => undefined);
    replica.readOutcome = "NO_LEADER";
    await call(KvService.method.get, { key: "k" }).catch(() => undefined);
    metrics.replica.peerRoundTrip(otherId, 0.001);
    metrics.replica.proposals("applied", 3);
    const text = await (await fetch(`${metricsUrl}/metrics`)).text();
    const put = 'grpc_type="unary",grpc_service="raftkv.v1.KvService",grpc_method="Put"';
    for (const line of [
      `grpc_server_started_total{${put}} 2`,
      `grpc_server_handled_total{${put},grpc_code="OK"} 1`,
      `grpc_server_handled_total{${put},grpc_code="InvalidArgument"} 1`,
      `grpc_server_msg_received_total{${put}} 2`,
      `grpc_server_msg_sent_total{${put}} 1`,
      `grpc_server_handling_seconds_count{${put}} 2`,
      'raftkv_store_operations_total{operation="put",consistency="linearizable"} 1',
      'raftkv_rejected_requests_total{reason="no_leader"} 1',
      'raftkv_peer_round_trip_duration_seconds_count{peer="n2"} 1',
      'raftkv_raft_proposals_total{result="applied"} 3',
      "raftkv_raft_is_leader 1",
      "raftkv_raft_voters 2",
      'raftkv_peer_match_lag_entries{peer="n2"} 2',
      'raftkv_peer_active{peer="n2"} 1',
      'raftkv_peer_sent_messages_total{peer="n2"} 3',
      'raftkv_peer_received_messages_total{peer="n2"} 4',
      'raftkv_peer_sent_bytes_total{peer="n2"} 10',
      'raftkv_health_check{check="ready"} 1',
      "raftkv_store_revision 1",
      'raftkv_member_info{member_id="00000000000000a1",member_name="n1",cluster_id="00000000000000c0"} 1',
    ]) {
      expect(text.split("\n"), line).toContain(line);
    }
  });

  test("have every series from the start, so that rates begin at 0", async () => {
    const { metrics } = await startServer();
    const text = await metrics.expose("prometheus");
    const methods = [...text.matchAll(/^grpc_server_handled_total\{.*grpc_code="OK"\} 0$/gm)];
    const counts = clientPortServices.map(({ methods: { length } }) => length);
    expect(methods).toHaveLength(counts.reduce((sum, count) => sum + count));
    for (const series of ['elections_total{kind="vote",result="won"}', 'read_index_total{result="timeout"}']) {
      expect(text).toContain(`raftkv_raft_${series} 0\n`);
    }
    expect(text).toContain('raftkv_peer_round_trip_duration_seconds_count{peer="n2"} 0\n');
  });

  test("come as OpenMetrics when asked, and unchanged as text after it", async () => {
    const { metricsUrl } = await startServer();
    const accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    const open = await fetch(`${metricsUrl}/metrics`, { headers: { accept } });
    expect(open.headers.get("content-type")).toContain("application/openmetrics-text");
    const text = await open.text();
    expect(text).toContain("# TYPE grpc_server_started counter\n");
    expect(text).toContain("\ngrpc_server_started_total{");
    expect(text.endsWith("\n# EOF\n")).toBe(true);
    const plain = await fetch(`${metricsUrl}/metrics`);
    expect(plain.headers.get("content-type")).toContain("version=0.0.4");
    expect(await plain.text()).toContain("# TYPE grpc_server_started_total counter\n");
  });

  test.skipIf(!promtool)("are clean under promtool", async () => {
    const { metrics } = await startServer({
      overrides: { disk: () => Promise.resolve({ availableBytes: 1, capacityBytes: 2 }) },
    });
    const checked = spawnSync("promtool", ["check", "metrics"], { input: await metrics.expose("prometheus") });
    expect(checked.stderr.toString() + checked.stdout.toString()).toBe("");
    expect(checked.status).toBe(0);
  });
});
