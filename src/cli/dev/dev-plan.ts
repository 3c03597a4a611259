import { join } from "node:path";
import { RaftKvError } from "../../lib/errors.ts";

/** Most members of a local cluster. */
export const devMembersMax = 9;

/** A local cluster; each port is the first of as many as there are members. */
export interface DevOptions {
  /** 1 to {@link devMembersMax}. */
  readonly members: number;
  /** Holds one directory for each member, named after it. */
  readonly dataDir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly metricsPort: number;
}

/** One member of a local cluster. Addresses are HOST:PORT. */
export interface DevMember {
  readonly name: string;
  readonly clientAddress: string;
  readonly metricsAddress: string;
  /** Ports that it listens on. */
  readonly ports: readonly number[];
  /** What follows `raftkv serve`. */
  readonly flags: readonly string[];
}

/** Lays out names, ports and directories. Throws `CONFIG_INVALID` when the ports overlap or run out. */
export function planDevCluster(options: DevOptions): readonly DevMember[] {
  const { members, dataDir, clientPort, peerPort, metricsPort } = options;
  checkPorts(options);
  const names = Array.from({ length: members }, (_, position) => `n${position + 1}`);
  const address = (firstPort: number, position: number) => `127.0.0.1:${firstPort + position}`;
  const initialCluster = names.map((name, position) => `${name}=${address(peerPort, position)}`).join(",");
  return names.map((name, position) => {
    const clientAddress = address(clientPort, position);
    const metricsAddress = address(metricsPort, position);
    const settings = {
      name,
      "data-dir": join(dataDir, name),
      "client-address": clientAddress,
      "peer-address": address(peerPort, position),
      "metrics-address": metricsAddress,
      "initial-cluster": initialCluster,
    };
    return {
      name,
      clientAddress,
      metricsAddress,
      ports: [clientPort + position, peerPort + position, metricsPort + position],
      flags: Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, value]),
    };
  });
}

function checkPorts({ members, clientPort, peerPort, metricsPort }: DevOptions): void {
  const runs = [
    { flag: "--client-port", first: clientPort },
    { flag: "--peer-port", first: peerPort },
    { flag: "--metrics-port", first: metricsPort },
  ];
  for (const [position, { flag, first }] of runs.entries()) {
    const last = first + members - 1;
    if (last > 65_535) throw new RaftKvError("CONFIG_INVALID", `${flag} ${first}: port ${last} is above 65535`);
    const clash = runs.slice(0, position).find((other) => Math.abs(other.first - first) < members);
    if (clash === undefined) continue;
    const runsInto = `runs into ${clash.flag} ${clash.first}; ${members} members need ${members} ports each`;
    throw new RaftKvError("CONFIG_INVALID", `${flag} ${first} ${runsInto}`);
  }
}
