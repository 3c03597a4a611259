import { type Catcher, coreRuns, type Finding, simulatedClusters, testFile } from "./catchers.ts";
import { runLimited } from "./limited-process.ts";
import type { Mutation } from "./mutation.ts";
import { Workspace } from "./workspace.ts";

/** How much is tried on one mutation. */
export interface RunOptions {
  /** Random runs of the core, for mutations of it. Default 250, as in `make test`. */
  readonly coreSeeds?: number;
  /** Simulated clusters. Default 150. */
  readonly seeds?: number;
  /** Mutations tried at once, each in a copy of its own. Default 1. */
  readonly jobs?: number;
  /** Milliseconds for all that is tried on one mutation. Default 300 000. */
  readonly limitMs?: number;
  /** Who is asked about a mutation. Default: {@link catchersOf}. */
  readonly catchers?: (mutation: Mutation) => readonly Catcher[];
  /** Told of every mutation that is done. Default: nobody. */
  readonly onResult?: (result: MutationResult) => void;
}

/** What became of a mutation. */
export interface MutationResult {
  readonly mutation: Mutation;
  /** What noticed it; `undefined` when nothing did. */
  readonly caughtBy: string | undefined;
  /** What is wrong with the mutation itself or with its explanation; the run has failed then. */
  readonly problem: string | undefined;
  readonly seconds: number;
}

/** Tries mutations one at a time; the results are in the order of the list. */
export async function runMutations(
  mutations: readonly Mutation[],
  options: RunOptions = {},
): Promise<MutationResult[]> {
  const { jobs = 1, onResult = () => {} } = options;
  const results = new Map<Mutation, MutationResult>();
  const waiting = [...mutations];
  const sound = new Map<string, Promise<boolean>>();
  const work = async (): Promise<void> => {
    const workspace = await Workspace.create();
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const result = await new Trial(next, workspace, sound, options).run();
        results.set(next, result);
        onResult(result);
      }
    } finally {
      await workspace.remove();
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, mutations.length) }, work));
  return mutations.flatMap((mutation) => results.get(mutation) ?? []);
}

/** Whoever may notice a mutation, the cheapest first. */
export function catchersOf({ tests, edits }: Mutation, { coreSeeds = 250, seeds = 150 }: RunOptions): Catcher[] {
  const ofCore = edits.every(({ file }) => file.startsWith("src/raft/"));
  return [
    ...tests.map((path) => testFile(`test/${path}`)),
    ...(ofCore && coreSeeds > 0 ? [coreRuns(1, coreSeeds)] : []),
    ...(seeds > 0 ? [simulatedClusters(1, seeds)] : []),
  ];
}

/** One mutation in one workspace. */
class Trial {
  readonly #mutation: Mutation;
  readonly #workspace: Workspace;
  /** By name: whether a catcher passes without any mutation. */
  readonly #sound: Map<string, Promise<boolean>>;
  readonly #options: RunOptions;
  readonly #endMs: number;

  constructor(mutation: Mutation, workspace: Workspace, sound: Map<string, Promise<boolean>>, options: RunOptions) {
    this.#mutation = mutation;
    this.#workspace = workspace;
    this.#sound = sound;
    this.#options = options;
    this.#endMs = performance.now() + (options.limitMs ?? 300_000);
  }

  async run(): Promise<MutationResult> {
    const mutation = this.#mutation;
    const begunMs = performance.now();
    const outcome = await this.#judge().catch((error: unknown) => ({ problem: String(error) }));
    await this.#workspace.restore();
    const seconds = (performance.now() - begunMs) / 1000;
    return { mutation, caughtBy: undefined, problem: undefined, ...outcome, seconds };
  }

  async #judge(): Promise<Partial<MutationResult>> {
    const { edits, equivalent } = this.#mutation;
    await this.#workspace.apply(edits);
    const mistyped = await this.#typeErrors();
    if (mistyped !== undefined) return { problem: `the compiler refuses it: ${mistyped}` };
    const finding = await this.#find();
    if (finding.type === "passed") return equivalent === undefined ? { problem: "nothing noticed it" } : {};
    const { by: caughtBy, again } = finding;
    await this.#workspace.restore();
    if (!(await this.#passesUnchanged(again))) return { caughtBy, problem: "fails without the mutation as well" };
    return equivalent === undefined ? { caughtBy } : { caughtBy, problem: "was noticed, though said to be equivalent" };
  }

  /** A mutation that does not compile would be noticed by everything, and prove nothing. */
  async #typeErrors(): Promise<string | undefined> {
    const flags = ["--noEmit", "--noUnusedLocals", "false", "--noUnusedParameters", "false"];
    const { code, output } = await runLimited(
      ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", ...flags],
      { cwd: this.#workspace.directory, limitMs: this.#leftMs() },
    );
    return code === 0 ? undefined : output.split("\n", 1)[0];
  }

  async #find(): Promise<Finding> {
    const { catchers = (mutation: Mutation) => catchersOf(mutation, this.#options) } = this.#options;
    for (const catcher of catchers(this.#mutation)) {
      const finding = await catcher.run(this.#workspace, this.#leftMs());
      if (finding.type === "passed") continue;
      // What fails once may have failed by chance, on a busy machine for example.
      const again = await finding.again.run(this.#workspace, this.#leftMs());
      if (again.type === "caught") return again;
    }
    return { type: "passed" };
  }

  /** A test that fails anyhow has noticed nothing. */
  #passesUnchanged(catcher: Catcher): Promise<boolean> {
    const known = this.#sound.get(catcher.name);
    if (known !== undefined) return known;
    const limitMs = this.#options.limitMs ?? 300_000;
    const passes = catcher.run(this.#workspace, limitMs).then(({ type }) => type === "passed");
    this.#sound.set(catcher.name, passes);
    return passes;
  }

  #leftMs(): number {
    return Math.max(1_000, this.#endMs - performance.now());
  }
}
