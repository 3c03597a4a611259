import fc from "fast-check";
import { expect, test } from "vitest";
import { LogSize } from "../../src/storage/log-size.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { logKey } from "../../src/storage/row-keys.ts";
import type { RowReader } from "../../src/storage/storage-engine.ts";

const change = fc.oneof(
  fc.record({ type: fc.constant("append" as const), count: fc.nat(1500) }),
  fc.record({ type: fc.constant("base" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ type: fc.constant("end" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ type: fc.constant("reset" as const), count: fc.nat(50) }),
);

test("the size of a log is that of its records, whatever is appended, compacted, truncated and replaced", {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(3000), fc.array(change, { maxLength: 12 }), async (start, changes) => {
      const rows = new MemoryRows();
      const engine = openMemoryEngine(rows);
      let read = 0;
      const reader: RowReader = {
        get: (key) => engine.get(key),
        async *iterate(range, options) {
          for await (const page of engine.iterate(range, options)) {
            read += page.length;
            yield page;
          }
        },
      };
      const size = new LogSize(start);
      let base = start;
      /** Bytes of the records behind the base. */
      let records: number[] = [];
      for (const each of changes) {
        const last = base + records.length;
        if (each.type === "append") {
          for (let index = last + 1; index <= last + each.count; index += 1) {
            const bytes = 1 + (index % 7);
            rows.apply({ type: "put", key: logKey(index), value: new Uint8Array(bytes) });
            size.append(index, bytes);
            records.push(bytes);
          }
        } else if (each.type === "reset") {
          base = last + each.count;
          records = [];
          size.reset(base);
        } else {
          const kept = Math.round(each.share * records.length);
          read = 0;
          const mark = await size.markAt(reader, base + kept);
          expect(read).toBeLessThan(1024);
          if (each.type === "base") {
            size.moveBase(mark);
            base += kept;
            records = records.slice(kept);
          } else {
            size.moveEnd(mark);
            records = records.slice(0, kept);
          }
        }
        expect(size.bytes).toBe(records.reduce((sum, bytes) => sum + bytes, 0));
      }
    }),
    { numRuns: 40 },
  );
});
