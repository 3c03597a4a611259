import { type Command, Option } from "commander";
import { kebabName, type OptionKey, optionKeys, optionTable } from "../config/option-table.ts";
import { printConfig } from "../config/print-config.ts";
import { resolveOptions } from "../config/resolve-options.ts";
import type { CliIo } from "./cli-io.ts";
import { createLogger } from "./create-logger.ts";
import { exitCodes } from "./exit-code.ts";
import type { Act } from "./kv-commands.ts";
import type { ProcessHost } from "./process-host.ts";
import type { StartMember } from "./running-member.ts";
import { serve } from "./serve.ts";

type ServeFlags = Partial<Record<OptionKey, string>> & { readonly config?: string; readonly printConfig?: boolean };

/** Adds serve, with a flag for each option of the table. */
export function addServeCommand(program: Command, io: CliIo, act: Act, host: ProcessHost, start: StartMember): void {
  const command = program
    .command("serve")
    .description("run one member; each flag is also a variable RAFTKV_… and a key of the file (docs/configuration.md)")
    .option("--config <FILE>", "YAML file of options (RAFTKV_CONFIG)")
    .option("--print-config", "write the options in force as such a file, and exit");
  for (const key of optionKeys) {
    const { type, help, defaultHelp } = optionTable[key];
    const limits = type.limits === "" ? "" : ` [${type.limits}]`;
    command.addOption(
      new Option(`--${kebabName(key)} <${type.placeholder}>`, `${help} (default: ${defaultHelp})${limits}`),
    );
  }
  command.action(
    act(async (flags: ServeFlags) => {
      const { config, effective } = resolveOptions({ flags, env: io.env, configFile: flags.config });
      if (flags.printConfig === true) {
        io.stdout.write(printConfig(effective));
        return exitCodes.ok;
      }
      const code = await serve(config, createLogger(config), start, host);
      // A member that failed still holds sockets and timers; they must not keep the process.
      if (code === exitCodes.killed) host.kill();
      else host.exit(code);
      return code;
    }),
  );
}
