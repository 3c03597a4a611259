import { type Configuration, isVoter, type MemberId } from "../../src/raft/configuration.ts";
import type { MembershipEdit } from "../../src/replica/membership-edit.ts";

/** Whether a configuration has what an edit asks for. */
export function isCarriedOut(edit: MembershipEdit, configuration: Configuration): boolean {
  const has = (id: MemberId): boolean => configuration.members.some((member) => member.id === id);
  switch (edit.type) {
    case "add":
      return has(edit.member.id);
    case "promote":
      return isVoter(configuration, edit.member);
    case "remove":
      return !has(edit.member);
    case "replace":
      return !has(edit.old) && has(edit.member.id);
  }
}

/** The member that an edit brings in, if it brings one. */
export function addedBy(edit: MembershipEdit): MemberId | undefined {
  return edit.type === "add" || edit.type === "replace" ? edit.member.id : undefined;
}

/** The member that an edit takes out, if it takes one. */
export function removedBy(edit: MembershipEdit): MemberId | undefined {
  if (edit.type === "remove") return edit.member;
  return edit.type === "replace" ? edit.old : undefined;
}

/** An edit on one line. */
export function describeEdit(edit: MembershipEdit): string {
  if (edit.type === "replace") return `replace ${edit.old} by ${edit.member.id}`;
  return `${edit.type} ${typeof edit.member === "string" ? edit.member : edit.member.id}`;
}
