import { defineConfig, type OxlintOverride } from "oxlint";
import { impureGlobals, type Room, rooms } from "./scripts/rooms.ts";

/** The import specifiers that reach `target` (a room, or a path below `src`) from a file of a room. */
function specifiersOf(target: string): string[] {
  const tail = target.endsWith(".ts") ? target : `${target.replace(/\/$/, "")}/**`;
  return [`../${tail}`, `../../${tail}`];
}

/** The direction of imports, as rules for the files of one room. */
function importRules(room: Room): OxlintOverride {
  const values = room.imports.flatMap(specifiersOf);
  const typeImports = room.typeImports ?? [];
  const types = typeImports.flatMap(specifiersOf);
  const packages = room.packages.flatMap((name) => [name, `${name}/**`]);
  const own = ["./**", "../*.ts"];
  const allowed = [...own, ...values, ...types, ...packages, ...(room.node ? ["node:*", "node:*/*"] : [])];
  const message = `src/${room.name} may not import this; scripts/rooms.ts says what it may`;
  return {
    files: [`src/${room.name}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            // First, and by expression: what the group lets through with "!" no pattern after it sees.
            ...typeImports.map((target) => ({
              regex: `^(\\.\\./)+${target}/`,
              allowTypeImports: true,
              message: `${message}: types only`,
            })),
            { group: ["**", ...allowed.map((specifier) => `!${specifier}`)], message },
          ],
        },
      ],
      ...(room.pure
        ? {
            "no-restricted-globals": ["error", ...impureGlobals],
            "no-restricted-properties": ["error", { object: "Math", property: "random" }],
          }
        : {}),
    },
  };
}

export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "oxc"],
  categories: { correctness: "error" },
  ignorePatterns: ["src/gen", "dist", "node_modules"],
  rules: {
    // An unhandled promise is a lost error, and a lost error is a lost write.
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/await-thenable": "error",
    "typescript/prefer-promise-reject-errors": "error",
    "typescript/only-throw-error": "error",
    "typescript/switch-exhaustiveness-check": "error",
    "typescript/no-unnecessary-type-assertion": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-non-null-assertion": "error",
    // tsc reports what is unused, and knows that a {@link} uses an import.
    "no-unused-vars": "off",
    // A copy is no waste when the loop changes what it walks.
    "unicorn/no-useless-spread": "off",
    "import/no-cycle": ["error", { ignoreTypes: true }],
    "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx", "hack"] }],
  },
  overrides: [
    ...rooms.filter((room) => room.name !== "gen").map(importRules),
    {
      // Fakes fail as foreign code may: with anything.
      files: ["test/**"],
      rules: { "typescript/only-throw-error": "off", "typescript/prefer-promise-reject-errors": "off" },
    },
  ],
});
