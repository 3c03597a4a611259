/** What one import or re-export of a source text names. */
export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const statement = /^\s*(?:import|export)(\s+type)?\b[^;"']*?\bfrom\s*["']([^"']+)["']/gm;
const bare = /^\s*import\s*["']([^"']+)["']/gm;
const dynamic = /\b(?:import|require)\(\s*["'`]([^"'`]+)["'`]/g;

/** What a source text imports, re-exports included. */
export function importsOf(text: string): Import[] {
  return [
    ...[...text.matchAll(statement)].map((match) => ({ specifier: match[2] ?? "", typeOnly: match[1] !== undefined })),
    ...[...text.matchAll(bare), ...text.matchAll(dynamic)].map((match) => ({
      specifier: match[1] ?? "",
      typeOnly: false,
    })),
  ];
}

/** The text without comments and string literals, which may name anything. */
export function codeOf(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/gm, " ");
}
