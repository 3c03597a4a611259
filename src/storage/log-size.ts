import type { Index } from "../raft/entry.ts";
import { logRecords } from "./row-keys.ts";
import type { RowReader } from "./storage-engine.ts";

/** A mark is kept once in so many records; so many are read at most to know the bytes up to any of them. */
const markDistance = 1024;

/** Bytes of all records up to an index, counted from where the store was opened. */
interface Mark {
  readonly index: Index;
  readonly bytes: number;
}

/** Bytes of a log's records. It knows them for every part of the log, so that nothing has to be read that is about to go. */
export class LogSize {
  /** Ascending; the first is at the log's base. */
  #marks: Mark[];
  #end: Mark;

  constructor(baseIndex: Index) {
    this.#end = { index: baseIndex, bytes: 0 };
    this.#marks = [this.#end];
  }

  /** Bytes of all records behind the base. */
  get bytes(): number {
    return this.#end.bytes - (this.#marks[0]?.bytes ?? 0);
  }

  /** A record was put behind the last one. */
  append(index: Index, bytes: number): void {
    this.#end = { index, bytes: this.#end.bytes + bytes };
    if (index % markDistance === 0) this.#marks.push(this.#end);
  }

  /** Finds out about an index of the log, for {@link moveBase} and {@link moveEnd}; reads a few records. */
  async markAt(rows: RowReader, index: Index): Promise<Mark> {
    const near = this.#marks.findLast((mark) => mark.index <= index) ?? this.#end;
    let { bytes } = near;
    for await (const page of rows.iterate(logRecords(near.index + 1, index))) {
      for (const [, record] of page) bytes += record.length;
    }
    return { index, bytes };
  }

  /** The log begins behind `mark` now. */
  moveBase(mark: Mark): void {
    this.#marks = [mark, ...this.#marks.filter(({ index }) => index > mark.index)];
  }

  /** The log ends with `mark` now. */
  moveEnd(mark: Mark): void {
    this.#marks = this.#marks.filter(({ index }) => index <= mark.index);
    this.#end = mark;
  }

  /** The log is empty now, behind an index. */
  reset(baseIndex: Index): void {
    this.#end = { index: baseIndex, bytes: 0 };
    this.#marks = [this.#end];
  }
}
