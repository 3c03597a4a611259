// A replicated map inside one process: a state machine of your own, three replicas, no sockets and no disk.
//
//   make build && node examples/embedded-map.mjs
//
// Swap the memory engine for `openMemberStore({ directory, … })` and the in-process network for `GrpcPeerTransport`, and the
// same state machine runs on three machines.

import { votersOnly } from "raftkv/raft";
import { defaultReplicaOptions, processRuntime, Replica, silentMetrics } from "raftkv/replica";
import { openMemoryEngine, openStoreOver } from "raftkv/storage";
import { createInProcessNetwork } from "raftkv/transport";

const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
const toBytes = (value) => new TextEncoder().encode(JSON.stringify(value));
const fromBytes = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
const rowKey = (key) => toBytes(["row", key]);

/** Commands are JSON: { cmd: "set" | "inc" | "dec", key, value? }. Results are the new value. */
const mapMachine = {
  // No rows that have to be found in order.
  indexPrefix: toBytes(["index"]),
  // An `inc` applied twice counts twice, and a `set` that comes again undoes what others have set since. So nobody but the caller
  // may try a command again; one that carries a request id, which the rows remember with its result, could be "retrySafe".
  inspect: () => "single",
  apply(command, _context, rows) {
    const { cmd, key, value = 1 } = fromBytes(command);
    const before = rows.get(rowKey(key));
    const old = before === undefined ? 0 : fromBytes(before);
    const next = { set: value, inc: old + value, dec: old - value }[cmd];
    rows.put(rowKey(key), toBytes(next));
    return toBytes(next);
  },
};

const network = createInProcessNetwork();
const members = ["a", "b", "c"].map((id) => ({ id, name: id, peerAddress: id }));

async function startReplica({ id, name }, seed) {
  const store = await openStoreOver({
    engine: openMemoryEngine(),
    clusterId: "example",
    memberId: id,
    bootstrapConfiguration: votersOnly(members),
    logger: quiet,
    newDirectoryId: () => crypto.randomUUID().replaceAll("-", ""),
  });
  const { dataDirectoryId } = store.identity;
  const identity = { clusterId: "example", memberId: id, name, dataDirectoryId, peerAddress: id, clientAddress: "" };
  return Replica.open({
    store,
    transport: network.createTransport(identity),
    stateMachine: mapMachine,
    runtime: processRuntime,
    metrics: silentMetrics,
    logger: quiet,
    options: defaultReplicaOptions,
    seed,
    onFatal: (error) => {
      throw error;
    },
  });
}

const call = (replica) => ({ deadlineMs: replica.now() + 5_000, forward: true });

/** Proposes a command at any replica; resolves to its result. */
function request(replica, command) {
  return new Promise((resolve, reject) => {
    replica.propose(toBytes(command), call(replica), (outcome) => {
      if (outcome.type === "applied") resolve(fromBytes(outcome.result));
      else reject(new Error(`${command.cmd} ${command.key}: ${outcome.type}`));
    });
  });
}

/** Reads a key linearizably at any replica. */
function read(replica, key) {
  return new Promise((resolve, reject) => {
    replica.readIndex(call(replica), (failure) => {
      if (failure !== undefined) return reject(new Error(failure));
      const row = replica.stateRow(rowKey(key));
      resolve(row === undefined ? undefined : fromBytes(row));
    });
  });
}

const replicas = await Promise.all(members.map((member, index) => startReplica(member, index + 1)));
const [first, second, third] = replicas;

console.log("set foobar", await request(first, { cmd: "set", key: "foobar", value: 40 }));
console.log("inc foobar", await request(second, { cmd: "inc", key: "foobar", value: 3 }));
console.log("dec foobar", await request(third, { cmd: "dec", key: "foobar" }));
for (const [index, replica] of replicas.entries()) console.log(members[index].id, "reads", await read(replica, "foobar"));

const { leaderId } = first.status();
const leader = replicas[members.findIndex(({ id }) => id === leaderId)];
await new Promise((resolve) => leader.transferLeadership(null, leader.now() + 5_000, resolve));
await leader.close();
const others = replicas.filter((replica) => replica !== leader);
console.log("after the leader has handed over and gone:", await request(others[0], { cmd: "inc", key: "foobar", value: 58 }));
console.log("and at the other one:", await read(others[1], "foobar"));
for (const replica of others) await replica.close();
