import { type LoadFnOutput, registerHooks } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { applyEdit, type Edit } from "../mutations/mutation.ts";

const root = resolve(import.meta.dirname, "../..");

/**
 * Lets modules be loaded once more with edits made to their sources: an import with `?fault=N` at its end is of the N-th set
 * of edits, and so is everything of `src/raft` and of these tests that is imported from there. No file is changed.
 */
export function offerFaultyCores(faults: ReadonlyMap<number, readonly Edit[]>): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      const fault = faultOf(context.parentURL);
      const isOurs = specifier.startsWith(".") && !resolved.url.includes("?");
      return fault === undefined || !isOurs ? resolved : { ...resolved, url: `${resolved.url}?fault=${fault}` };
    },
    load(url, context, nextLoad) {
      const fault = faultOf(url);
      if (fault === undefined) return nextLoad(url, context);
      const path = fileURLToPath(url.slice(0, url.indexOf("?")));
      const edits = (faults.get(fault) ?? []).filter(({ file }) => join(root, file) === path);
      const loaded = nextLoad(url, context);
      return edits.length === 0 ? loaded : { ...loaded, source: edits.reduce(applyEdit, textOf(loaded.source)) };
    },
  });
}

function textOf(source: LoadFnOutput["source"]): string {
  if (typeof source === "string") return source;
  return source === undefined || source === null ? "" : new TextDecoder().decode(source);
}

function faultOf(url: string | undefined): number | undefined {
  const number = /\?fault=(\d+)$/.exec(url ?? "")?.[1];
  return number === undefined ? undefined : Number(number);
}
