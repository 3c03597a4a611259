import { type Command, Option } from "commander";
import {
  type ChangeCondition,
  type ClusterAdmin,
  createClusterAdmin,
  type MemberList,
} from "../client/cluster-admin.ts";
import { formatAddress, isWildcard, parseAddress } from "../config/address.ts";
import { countBetween } from "../config/option-type.ts";
import { type Parsed, parsed, unparsed } from "../config/parsed.ts";
import type { CliIo } from "./cli-io.ts";
import { addClientFlags, asArgument, type ClientFlags, clientTarget } from "./client-options.ts";
import { exitCodes } from "./exit-code.ts";
import type { Act } from "./kv-commands.ts";
import { renderJson, renderTable } from "./render.ts";

type ChangeFlags = ClientFlags & { readonly ifConfigurationIndex?: number };
type NewMemberFlags = ChangeFlags & { readonly peerAddress: string; readonly keepLearner?: boolean };

const memberHelp = "name or id of a member";

/** Adds member list, add, promote, remove and replace, and leader transfer; each may be sent to any member. */
export function addMemberCommands(program: Command, io: CliIo, act: Act): void {
  const member = program.command("member").description("list and change the members of the cluster");
  const list = member.command("list").description("list the members");
  addClientFlags(list, ["table", "json"]).action(act((flags: ClientFlags) => show(io, flags, (admin) => admin.list())));

  const add = member.command("add").description("add a learner, which is promoted when it has caught up");
  addNewMemberFlags(add.argument("<name>", "name of the new member")).action(
    act((name: string, { peerAddress, keepLearner, ...flags }: NewMemberFlags) =>
      show(io, flags, (admin, condition) => admin.add({ name, peerAddress, keepLearner }, condition)),
    ),
  );

  const promote = member.command("promote").description("make a learner that has caught up a voter");
  addChangeFlags(promote.argument("<member>", memberHelp)).action(
    act((which: string, flags: ChangeFlags) => show(io, flags, (admin, condition) => admin.promote(which, condition))),
  );

  const remove = member.command("remove").description("remove a member, dead or alive");
  addChangeFlags(remove.argument("<member>", memberHelp)).action(
    act((which: string, flags: ChangeFlags) => show(io, flags, (admin, condition) => admin.remove(which, condition))),
  );

  const replace = member.command("replace").description("put a new member in the place of one, in a single change");
  replace.argument("<old>", memberHelp).argument("<name>", "name of the new member; may be the old one's");
  addNewMemberFlags(replace).action(
    act((old: string, name: string, { peerAddress, keepLearner, ...flags }: NewMemberFlags) =>
      show(io, flags, (admin, condition) => admin.replace(old, { name, peerAddress, keepLearner }, condition)),
    ),
  );
  addTransferCommand(program, io, act);
}

function addTransferCommand(program: Command, io: CliIo, act: Act): void {
  const leader = program.command("leader").description("hand leadership over");
  const transfer = leader.command("transfer").description("hand leadership to a member, or to the best one");
  addClientFlags(transfer.argument("[member]", `${memberHelp}; by default the furthest along`), [
    "table",
    "json",
  ]).action(
    act((target: string | undefined, flags: ClientFlags) =>
      withAdmin(io, flags, async (admin) => {
        const { from, to } = await admin.transferLeadership(target ?? null);
        if (flags.output === "json") io.stdout.write(renderJson({ from, to }));
        else io.stdout.write(renderTable(["FROM", "TO"], [[from, to]]));
        return exitCodes.ok;
      }),
    ),
  );
}

function addNewMemberFlags(command: Command): Command {
  command.addOption(
    new Option("--peer-address <HOST:PORT>", "where the other members reach it")
      .argParser((text) => asArgument(parsePeerAddress, text))
      .makeOptionMandatory(),
  );
  command.option("--keep-learner", "leave it a learner until it is promoted by hand");
  return addChangeFlags(command);
}

function addChangeFlags(command: Command): Command {
  command.addOption(
    new Option(
      "--if-configuration-index <INDEX>",
      "only if the members are still those of this index (configurationIndex of member list -o json)",
    ).argParser((text) => asArgument(countBetween(0, Number.MAX_SAFE_INTEGER).parse, text)),
  );
  return addClientFlags(command, ["table", "json"]);
}

function parsePeerAddress(text: string): Parsed<string> {
  const address = parseAddress(text);
  if (!address.ok) return address;
  if (address.value.port === 0 || isWildcard(address.value)) {
    return unparsed("the other members cannot connect to a wildcard or to port 0");
  }
  return parsed(formatAddress(address.value));
}

async function withAdmin(
  io: CliIo,
  flags: ClientFlags,
  use: (admin: ClusterAdmin) => Promise<number>,
): Promise<number> {
  const { endpoints, timeoutMs } = clientTarget(flags, io);
  const admin = createClusterAdmin(endpoints, timeoutMs);
  try {
    return await use(admin);
  } finally {
    admin.close();
  }
}

/** Writes the members as an action left them. */
function show(
  io: CliIo,
  flags: ChangeFlags,
  act: (admin: ClusterAdmin, condition: ChangeCondition) => Promise<MemberList>,
): Promise<number> {
  return withAdmin(io, flags, async (admin) => {
    const { members, configurationIndex } = await act(admin, { configurationIndex: flags.ifConfigurationIndex });
    if (flags.output === "json") {
      const rows = members.map(({ memberId, ...rest }) => ({ id: memberId, ...rest }));
      io.stdout.write(renderJson({ configurationIndex, members: rows }));
    } else {
      const rows = members.map(({ name, memberId, role, keepLearner, leader, peerAddress, clientAddress }) => [
        name,
        memberId,
        [role, ...(keepLearner ? ["kept"] : []), ...(leader ? ["leader"] : [])].join(", "),
        peerAddress,
        clientAddress === "" ? "-" : clientAddress,
      ]);
      io.stdout.write(renderTable(["NAME", "ID", "ROLE", "PEER_ADDRESS", "CLIENT_ADDRESS"], rows));
    }
    return exitCodes.ok;
  });
}
