import { StatefulSet } from "kubernetes-models/apps/v1";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { Service, ServiceAccount } from "kubernetes-models/v1";
import { describe, expect, test } from "vitest";
import { optionKeys } from "../../src/config/option-table.ts";
import { resolveOptions } from "../../src/config/resolve-options.ts";
import { hasKubectl, type Manifest, renderedManifests, writtenManifests } from "./manifests.ts";
import { trackReads } from "./unread-fields.ts";

const needsKubectl = "kubectl is not installed; the files as written are checked instead";
const models: Record<string, new (data: never) => { validate(): void }> = {
  PodDisruptionBudget,
  Service,
  ServiceAccount,
  StatefulSet,
};

/** What the schema of its kind finds wrong with an object: errors, and fields that the schema does not know. */
function problems(manifest: Manifest): string[] {
  const model = models[manifest.kind];
  if (model === undefined) return [`no schema of ${manifest.kind}`];
  const tracked = trackReads(manifest);
  try {
    model.prototype.validate.call(tracked.value);
  } catch (error) {
    return [String(error)];
  }
  return tracked.unread().map((path) => `${manifest.kind} has no field ${path}`);
}

interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: { readonly httpGet: { readonly port: string } };
  readonly readinessProbe: { readonly httpGet: { readonly port: string } };
  readonly livenessProbe: { readonly httpGet: { readonly port: string } };
}

const manifests = hasKubectl ? renderedManifests() : writtenManifests();
const statefulSet = manifests.find((manifest) => manifest.kind === "StatefulSet") as unknown as {
  readonly spec: {
    readonly replicas: number;
    readonly serviceName: string;
    readonly template: {
      readonly metadata: { readonly annotations: Record<string, string> };
      readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly Container[] };
    };
  };
};
const [container] = statefulSet.spec.template.spec.containers;
if (container === undefined) throw new Error("the StatefulSet has no container");

/** The flags of one pod after Kubernetes has put in the variables; `NAME: value` by option key. */
function flagsOf(ordinal: number): Record<string, string> {
  const variables = new Map([
    ["POD_NAME", `raftkv-${ordinal}`],
    ["POD_NAMESPACE", "prod"],
  ]);
  const substitute = (text: string) => text.replaceAll(/\$\(([A-Z_]+)\)/g, (all, name) => variables.get(name) ?? all);
  for (const { name, value } of container?.env ?? []) if (value !== undefined) variables.set(name, substitute(value));
  const [command, ...flags] = container?.args ?? [];
  expect(command).toBe("serve");
  return Object.fromEntries(
    flags.map((flag) => {
      const match = /^--([a-z-]+)=(.*)$/.exec(flag);
      const key = (match?.[1] ?? flag).replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
      expect(optionKeys).toContain(key);
      return [key, substitute(match?.[2] ?? "")];
    }),
  );
}

const configOf = (ordinal: number) => resolveOptions({ flags: flagsOf(ordinal), env: {} }).config;

describe("the manifests", () => {
  test("are rendered by kustomize", ({ skip }) => {
    skip(!hasKubectl, needsKubectl);
    expect(manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`).sort()).toEqual([
      "PodDisruptionBudget/raftkv",
      "Service/raftkv",
      "Service/raftkv-headless",
      "ServiceAccount/raftkv",
      "StatefulSet/raftkv",
    ]);
  });

  test("have the same labels on pods and on everything that selects pods", () => {
    const labels = { "app.kubernetes.io/component": "server", "app.kubernetes.io/name": "raftkv" };
    expect(statefulSet).toMatchObject({
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels } } },
    });
    for (const manifest of manifests.filter(({ kind }) => kind === "Service")) {
      expect(manifest).toMatchObject({ spec: { selector: labels } });
    }
    expect(manifests.find(({ kind }) => kind === "PodDisruptionBudget")).toMatchObject({
      spec: { selector: { matchLabels: labels } },
    });
  });

  test.each(manifests.map((manifest) => [`${manifest.kind}/${manifest.metadata.name}`, manifest] as const))(
    "%s passes the schema of its kind and has no field beyond it",
    (_, manifest) => {
      expect(problems(manifest)).toEqual([]);
    },
  );

  test("with a misspelt field do not pass", () => {
    const service = manifests.find(({ kind }) => kind === "Service") as Manifest;
    expect(problems({ ...service, spec: { ...(service["spec"] as object), publishNotReadyAdresses: true } })).toEqual([
      "Service has no field spec.publishNotReadyAdresses",
    ]);
  });
});

describe("the command of each pod", () => {
  const ordinals = Array.from({ length: statefulSet.spec.replicas }, (_, ordinal) => ordinal);

  test.each(ordinals)("pod %i gets options that the program accepts", (ordinal) => {
    expect(() => configOf(ordinal)).not.toThrow();
    expect(JSON.stringify(flagsOf(ordinal))).not.toContain("$(");
  });

  test("names the same cluster of all three on every pod", () => {
    const clusters = ordinals.map((ordinal) => flagsOf(ordinal)["initialCluster"]);
    expect(new Set(clusters).size).toBe(1);
    const names = (clusters[0] ?? "").split(",").map((member) => member.split("=")[0]);
    expect(names).toEqual(ordinals.map((ordinal) => `raftkv-${ordinal}`));
  });

  test("listens on the ports that the pod opens and probes", () => {
    const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
    const flags = flagsOf(0);
    expect(flags["clientAddress"]).toBe(`0.0.0.0:${ports["grpc"]}`);
    expect(flags["peerAddress"]).toBe(`0.0.0.0:${ports["peer"]}`);
    expect(flags["metricsAddress"]).toBe(`0.0.0.0:${ports["metrics"]}`);
    expect(statefulSet.spec.template.metadata.annotations["prometheus.io/port"]).toBe(String(ports["metrics"]));
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      expect(probe.httpGet.port).toBe("metrics");
    }
  });

  test("is given longer to stop than it takes to drain", () => {
    const { effective } = resolveOptions({ flags: flagsOf(0), env: {} });
    const drain = effective.find(({ key }) => key === "drainTimeout")?.text;
    expect(drain).toMatch(/^\d+s$/);
    const preStopSeconds = 3;
    const graceSeconds = statefulSet.spec.template.spec.terminationGracePeriodSeconds;
    expect(graceSeconds).toBeGreaterThan(Number.parseInt(drain ?? "", 10) + preStopSeconds);
  });
});
