import { type Address, formatAddress, parseAddress } from "./address.ts";
import { addressesMax, parseAddressList } from "./address-list.ts";
import { formatByteSize, parseByteSize } from "./byte-size.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { formatInitialCluster, type InitialMember, parseInitialCluster } from "./initial-cluster.ts";
import { parseMemberName } from "./member-name.ts";
import { type Parsed, parsed, unparsed } from "./parsed.ts";
import { formatShare, parseShare } from "./share.ts";

/** How the text of an option becomes a value and back; the same for flags, variables and the file. */
export interface OptionType<T> {
  /** What stands for the value in help, such as DURATION. */
  readonly placeholder: string;
  /** Bounds in words, for help and documentation; empty when the placeholder says it all. */
  readonly limits: string;
  readonly parse: (text: string) => Parsed<T>;
  readonly format: (value: T) => string;
}

/** Milliseconds between two bounds, both allowed. */
export function durationBetween(min: string, max: string): OptionType<number> {
  return bounded("DURATION", parseDuration, formatDuration, min, max);
}

/** Bytes between two bounds, both allowed. */
export function byteSizeBetween(min: string, max: string): OptionType<number> {
  return bounded("SIZE", parseByteSize, formatByteSize, min, max);
}

/** A share of a whole between two bounds, both allowed; 0.1 for 10%. */
export function shareBetween(min: string, max: string): OptionType<number> {
  return bounded("SHARE", parseShare, formatShare, min, max);
}

/** A whole number between two bounds, both allowed. */
export function countBetween(min: number, max: number): OptionType<number> {
  const parse = (text: string): Parsed<number> =>
    /^\d{1,15}$/.test(text) ? parsed(Number(text)) : unparsed("a count is a whole number");
  return bounded("COUNT", parse, String, String(min), String(max));
}

/** One of a few words. */
export function oneOf<const T extends string>(words: readonly T[]): OptionType<T> {
  const limits = words.length === 1 ? `only ${words[0]}` : `one of ${words.join(", ")}`;
  return {
    placeholder: "WORD",
    limits,
    parse: (text) => {
      const word = words.find((candidate) => candidate === text);
      return word === undefined ? unparsed(`it must be ${limits}`) : parsed(word);
    },
    format: (value) => value,
  };
}

/** HOST:PORT to listen on; port 0 lets the system choose. */
export const listenAddress: OptionType<Address> = {
  placeholder: "HOST:PORT",
  limits: "",
  parse: parseAddress,
  format: formatAddress,
};

/** A member's name. */
export const memberName: OptionType<string> = {
  placeholder: "NAME",
  limits: "1 to 63 letters, digits, dots, dashes, underscores",
  parse: parseMemberName,
  format: (value) => value,
};

/** Addresses to connect to. */
export const addressList: OptionType<readonly string[]> = {
  placeholder: "ADDRESSES",
  limits: `HOST:PORT,HOST:PORT,…; 1 to ${addressesMax} addresses`,
  parse: parseAddressList,
  format: (addresses) => addresses.join(","),
};

/** Members and their peer addresses. */
export const initialCluster: OptionType<readonly InitialMember[]> = {
  placeholder: "MEMBERS",
  limits: "NAME=HOST:PORT,NAME=HOST:PORT,…; 1 to 15 members",
  parse: parseInitialCluster,
  format: formatInitialCluster,
};

/** Text without control characters, from 1 to `lengthMax` UTF-16 units. */
export function text(placeholder: string, lengthMax: number): OptionType<string> {
  return {
    placeholder,
    limits: `1 to ${lengthMax} characters`,
    parse: (value) => {
      if (value.length === 0) return unparsed("it must not be empty");
      if (value.length > lengthMax) return unparsed(`it has ${value.length} characters; the limit is ${lengthMax}`);
      return /\p{Cc}/u.test(value) ? unparsed("it must not hold control characters") : parsed(value);
    },
    format: (value) => value,
  };
}

function bounded(
  placeholder: string,
  parse: (text: string) => Parsed<number>,
  format: (value: number) => string,
  min: string,
  max: string,
): OptionType<number> {
  const [low, high] = [parse(min), parse(max)];
  const limits = `${min} to ${max}`;
  return {
    placeholder,
    limits,
    parse: (text) => {
      const value = parse(text);
      if (!value.ok || !low.ok || !high.ok) return value;
      const inside = value.value >= low.value && value.value <= high.value;
      return inside ? value : unparsed(`it must lie between ${min} and ${max}`);
    },
    format,
  };
}
