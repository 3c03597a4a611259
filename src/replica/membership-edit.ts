import { type Configuration, type ConfigurationMember, type MemberId, membersMax } from "../raft/configuration.ts";
import {
  type MembershipTarget,
  targetOf,
  withLearner,
  withPromoted,
  withRemoved,
} from "../raft/configuration-change.ts";

/** What an operator wants changed. Members are named by id or by name. */
export type MembershipEdit =
  /** A new learner; it is promoted by itself unless `keepLearner`. */
  | { readonly type: "add"; readonly member: ConfigurationMember }
  | { readonly type: "promote"; readonly member: string }
  | { readonly type: "remove"; readonly member: string }
  /** A member that lost its data goes, and a learner under a new id takes its place, in one change. */
  | { readonly type: "replace"; readonly old: string; readonly member: ConfigurationMember };

/** Why an edit makes no sense for the configuration in force. */
export type EditProblem = "MEMBER_UNKNOWN" | "MEMBER_EXISTS" | "NOT_A_LEARNER" | "TOO_MANY_MEMBERS";

/** The member that `idOrName` names; an id wins over a name. */
export function findMember(configuration: Configuration, idOrName: string): ConfigurationMember | undefined {
  const { members } = configuration;
  return members.find(({ id }) => id === idOrName) ?? members.find(({ name }) => name === idOrName);
}

/** What the edit makes of the configuration in force, or why it cannot be made. */
export function applyEdit(configuration: Configuration, edit: MembershipEdit): MembershipTarget | EditProblem {
  const target = targetOf(configuration);
  switch (edit.type) {
    case "add":
      if (clashes(configuration, edit.member)) return "MEMBER_EXISTS";
      return target.members.length >= membersMax ? "TOO_MANY_MEMBERS" : withLearner(target, edit.member);
    case "promote": {
      const id = findMember(configuration, edit.member)?.id;
      if (id === undefined) return "MEMBER_UNKNOWN";
      return target.learners.includes(id) ? withPromoted(target, id) : "NOT_A_LEARNER";
    }
    case "remove": {
      const id = findMember(configuration, edit.member)?.id;
      return id === undefined ? "MEMBER_UNKNOWN" : withRemoved(target, id);
    }
    case "replace": {
      const old = findMember(configuration, edit.old);
      if (old === undefined) return "MEMBER_UNKNOWN";
      if (clashes(configuration, edit.member, old.id)) return "MEMBER_EXISTS";
      return withLearner(withRemoved(target, old.id), edit.member);
    }
  }
}

/** Whether another member than `except` has the id, the name or the address of `member`. */
function clashes(configuration: Configuration, member: ConfigurationMember, except?: MemberId): boolean {
  return configuration.members.some(
    ({ id, name, peerAddress }) =>
      id === member.id || (id !== except && (name === member.name || peerAddress === member.peerAddress)),
  );
}
