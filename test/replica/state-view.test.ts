import { describe, expect, test } from "vitest";
import { type DurableRows, StateView } from "../../src/replica/state-view.ts";
import type { Row } from "../../src/storage/storage-engine.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const text = (value: Uint8Array | undefined) =>
  value === undefined ? undefined : Buffer.from(value).toString("latin1");

class Durable implements DurableRows {
  readonly rows = new Map<string, string>();
  reads = 0;

  stateRow(key: Uint8Array): Uint8Array | undefined {
    this.reads++;
    const value = this.rows.get(text(key) ?? "");
    return value === undefined ? undefined : bytes(value);
  }

  async *iterateState(): AsyncIterable<Row> {
    for (const [key, value] of this.rows) if (key.startsWith("i")) yield [bytes(key), bytes(value)];
  }
}

async function open(rows: Record<string, string> = {}) {
  const durable = new Durable();
  for (const [key, value] of Object.entries(rows)) durable.rows.set(key, value);
  return { durable, view: await StateView.load(durable, bytes("i")) };
}

describe("a view of the state", () => {
  test("shows a change before, while and after it is written", async () => {
    const { view, durable } = await open({ a: "old", b: "old" });
    view.put(bytes("a"), bytes("new"));
    view.delete(bytes("b"));
    const seen = () => [text(view.get(bytes("a"))), text(view.get(bytes("b")))];
    expect(seen()).toEqual(["new", undefined]);
    expect(view.takeWaiting()).toHaveLength(2);
    expect(seen()).toEqual(["new", undefined]);
    durable.rows.set("a", "new");
    durable.rows.delete("b");
    view.written();
    expect(seen()).toEqual(["new", undefined]);
  });

  test("shows a later change of a row that is being written", async () => {
    const { view } = await open();
    view.put(bytes("a"), bytes("1"));
    view.takeWaiting();
    view.put(bytes("a"), bytes("2"));
    view.written();
    expect(text(view.get(bytes("a")))).toBe("2");
    expect(view.takeWaiting()).toEqual([{ type: "put", key: bytes("a"), value: bytes("2") }]);
  });

  test("shows other rows from one moment to the next when the durable ones are replaced, and forgets all of its own", async () => {
    const { view, durable } = await open({ a: "old", i1: "", i2: "" });
    const other = new Durable();
    for (const [key, value] of Object.entries({ a: "new", c: "kept", i2: "", i3: "" })) other.rows.set(key, value);
    const prepared = await view.prepare({ iterate: () => other.iterateState() });
    const seen = () => [
      ...["a", "b", "c"].map((key) => text(view.get(bytes(key)))),
      text(view.firstIndexKey(bytes("i"), bytes("j"))),
    ];
    // One row is cached, one waits to be written, one waits to be removed, and one is an index key.
    view.get(bytes("a"));
    view.put(bytes("b"), bytes("waits"));
    view.delete(bytes("c"));
    view.put(bytes("i0"), bytes(""));
    expect(seen()).toEqual(["old", "waits", undefined, "i0"]);
    durable.rows.clear();
    for (const [key, value] of other.rows) durable.rows.set(key, value);
    view.replace(prepared);
    expect(seen()).toEqual(["new", undefined, "kept", "i2"]);
    expect([view.takeWaiting(), view.waitingBytes]).toEqual([[], 0]);
  });

  test("reads a row from the store once, missing ones too", async () => {
    const { view, durable } = await open({ a: "1" });
    for (let i = 0; i < 3; i++) expect([text(view.get(bytes("a"))), view.get(bytes("b"))]).toEqual(["1", undefined]);
    expect(durable.reads).toBe(2);
  });

  test("knows the order of index keys, durable and new, bytewise", async () => {
    const { view } = await open({ "i\u0080": "", i1: "" });
    const first = (start: string, end: string) => text(view.firstIndexKey(bytes(start), bytes(end)));
    expect(first("i", "j")).toBe("i1");
    view.delete(bytes("i1"));
    expect(first("i", "j")).toBe("i\u0080");
    view.put(bytes("i\u007f"), bytes(""));
    expect(first("i", "j")).toBe("i\u007f");
    expect(first("i\u0081", "j")).toBeUndefined();
    expect(first("i", "i\u0001")).toBeUndefined();
  });

  test("counts the bytes that wait", async () => {
    const { view } = await open();
    view.put(bytes("ab"), bytes("123"));
    expect(view.waitingBytes).toBe(5);
    view.takeWaiting();
    expect(view.waitingBytes).toBe(0);
  });
});
