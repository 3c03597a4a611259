import { mutations } from "../mutations/catalogue.ts";
import type { Mutation } from "../mutations/mutation.ts";
import type { checkScope, Report } from "./check-scope.ts";
import type { SearchLimits } from "./explorer.ts";
import { offerFaultyCores } from "./faulty-core.ts";
import type { NamedScope } from "./scopes.ts";

/** Deliberate faults of the catalogue that are all in the core. */
export const coreFaults: readonly Mutation[] = mutations.filter(({ edits }) =>
  edits.every(({ file }) => file.startsWith("src/raft/")),
);

/** What became of a fault. */
export interface FaultResult {
  readonly fault: Mutation;
  /** The first scope that showed it; `null` when none did. */
  readonly scope: NamedScope | null;
  /** The search through that scope, or through the last one. */
  readonly report: Report;
}

/** Searches one scope after the other with a faulty core, until one shows the fault. */
export async function* findFaults(
  faults: readonly Mutation[],
  scopes: readonly NamedScope[],
  limits: SearchLimits,
): AsyncGenerator<FaultResult> {
  offerFaultyCores(new Map(faults.map(({ number, edits }) => [number, edits])));
  for (const fault of faults) {
    const faulty = (await import(`./check-scope.ts?fault=${fault.number}`)) as { checkScope: typeof checkScope };
    let result: FaultResult | undefined;
    for (const each of scopes) {
      const report = faulty.checkScope(each.scope, limits);
      const found = report.violation !== null;
      result = { fault, scope: found ? each : null, report };
      if (found) break;
    }
    if (result !== undefined) yield result;
  }
}
