import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { kebabName, optionKeys, optionTable, variableName } from "../../src/config/option-table.ts";

test("docs/configuration.md lists every option as the table has it", () => {
  const document = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  const rows = optionKeys.map((key) => {
    const { type, defaultText, defaultHelp, help } = optionTable[key];
    const value = type.limits === "" ? type.placeholder : `${type.placeholder}: ${type.limits}`;
    const byDefault = defaultText === undefined ? defaultHelp : `\`${defaultText}\``;
    return `| \`${kebabName(key)}\` | \`${variableName(key)}\` | ${value} | ${byDefault} | ${help} |`;
  });
  const table = ["| option | variable | value | default | what for |", "| --- | --- | --- | --- | --- |", ...rows].join(
    "\n",
  );
  const [, found] = /<!-- options: [^\n]* -->\n\n?([\s\S]*?)\n\n?<!-- end of options -->/.exec(document) ?? [];
  expect(found).toBe(table);
});
