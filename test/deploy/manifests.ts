import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse, parseAllDocuments } from "yaml";

/** A Kubernetes object as its YAML says, nothing checked. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

const base = resolve(import.meta.dirname, "../../deploy/kubernetes");

/** Whether `kubectl` can be run here. */
export const hasKubectl = spawnSync("kubectl", ["version", "--client"], { stdio: "ignore" }).status === 0;

function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** The objects as `kubectl apply -k` would send them. */
export function renderedManifests(): Manifest[] {
  return parseManifests(execFileSync("kubectl", ["kustomize", base], { encoding: "utf8" }));
}

/** The files that the kustomization lists. */
export function resourceFiles(): string[] {
  const { resources } = parse(readFileSync(join(base, "kustomization.yaml"), "utf8")) as { resources: string[] };
  return resources;
}

/** The objects as written, before kustomize adds labels and the image's tag. */
export function writtenManifests(): Manifest[] {
  return resourceFiles().flatMap((file) => parseManifests(readFileSync(join(base, file), "utf8")));
}
