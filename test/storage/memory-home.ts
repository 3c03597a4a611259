import type { EngineFile, EngineFiles, EngineHome, IncomingFiles } from "../../src/storage/engine-home.ts";
import type { InstallationSource } from "../../src/storage/installation.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { Row, StorageEngine } from "../../src/storage/storage-engine.ts";

/** Files that a memory engine comes to. */
const fileCount = 8;

/** Files of a memory engine, each with its share of the rows. */
export function encodeRows(rows: readonly Row[]): Buffer[] {
  const share = Math.ceil(rows.length / fileCount);
  return Array.from({ length: fileCount }, (_, at) =>
    Buffer.concat(
      rows.slice(at * share, (at + 1) * share).flatMap(([key, value]) => {
        const lengths = Buffer.alloc(8);
        lengths.writeUInt32BE(key.length, 0);
        lengths.writeUInt32BE(value.length, 4);
        return [lengths, key, value];
      }),
    ),
  );
}

/** Reverses {@link encodeRows}, of the files put end to end. */
export function decodeRows(content: Buffer): MemoryRows {
  const rows = new MemoryRows();
  for (let at = 0; at < content.length; ) {
    const keyEnd = at + 8 + content.readUInt32BE(at);
    const end = keyEnd + content.readUInt32BE(at + 4);
    rows.apply({ type: "put", key: content.subarray(at + 8, keyEnd), value: content.subarray(keyEnd, end) });
    at = end;
  }
  return rows;
}

interface Received {
  readonly source: InstallationSource;
  readonly files: readonly EngineFile[];
  content: Buffer;
  /** As an engine that was opened over the files left them. */
  rows: MemoryRows | undefined;
}

/** What a data directory has for a memory engine; it outlives those who open it. */
export class MemoryDirectory {
  rows = new MemoryRows();
  received: Received | undefined;
  /** Rows of the engine before the one in use. */
  former: MemoryRows | undefined;
  /** Steps that were taken, in order. */
  readonly steps: string[] = [];
  /** Called before a step; what it throws is what the step rejects with. */
  before: (step: string) => void = () => {};

  async step(name: string): Promise<void> {
    await Promise.resolve();
    this.before(name);
    this.steps.push(name);
  }
}

/** A home over what a directory would have. */
export function openMemoryHome(directory: MemoryDirectory): {
  readonly engine: StorageEngine;
  readonly home: EngineHome;
} {
  let current = directory.rows;
  const incoming = (): IncomingFiles | undefined => {
    const { received } = directory;
    return received && incomingOver(directory, received);
  };
  const found = incoming();
  return {
    engine: openMemoryEngine(current),
    home: {
      engineName: "memory",
      get incoming() {
        return directory.received === undefined ? undefined : found;
      },
      async files() {
        await directory.step("files");
        current = directory.rows;
        return filesOf(current);
      },
      async receive(source, files) {
        await directory.step("receive");
        directory.received = { source, files, content: Buffer.alloc(0), rows: undefined };
        return incomingOver(directory, directory.received);
      },
      async removeFormer() {
        await directory.step("remove former");
        directory.former = undefined;
      },
    },
  };
}

function filesOf(rows: MemoryRows): EngineFiles {
  const contents = encodeRows(rows.snapshot());
  const all = Buffer.concat(contents);
  return {
    files: contents.map(({ length: size }, at) => ({ name: `00000${at + 1}.log`, size })),
    totalBytes: all.length,
    read: async (offset, bytesMax) => Uint8Array.from(all.subarray(offset, offset + bytesMax)),
    close: async () => {},
  };
}

function incomingOver(directory: MemoryDirectory, received: Received): IncomingFiles {
  const totalBytes = received.files.reduce((sum, { size }) => sum + size, 0);
  // A start goes on behind the last whole file.
  let whole = 0;
  for (const { size } of received.files) if (whole + size <= received.content.length) whole += size;
  received.content = received.content.subarray(0, whole);
  return {
    source: received.source,
    files: received.files,
    get bytes() {
      return received.content.length;
    },
    totalBytes,
    async append(data) {
      await directory.step("append");
      received.content = Buffer.concat([received.content, data]);
      if (received.content.length > totalBytes) throw new Error("more bytes than there are");
    },
    async open() {
      await directory.step("open");
      received.rows ??= decodeRows(received.content);
      return openMemoryEngine(received.rows);
    },
    async adopt() {
      await directory.step("adopt");
      directory.former = directory.rows;
      if (received.rows === undefined) throw new Error("adopted before it was opened");
      directory.rows = received.rows;
      directory.received = undefined;
    },
    async remove() {
      await directory.step("remove");
      directory.received = undefined;
    },
  };
}
