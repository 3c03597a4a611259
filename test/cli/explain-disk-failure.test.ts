import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect, test, vi } from "vitest";
import { explainDiskFailure } from "../../src/cli/explain-disk-failure.ts";
import { RaftKvError } from "../../src/lib/errors.ts";

vi.mock("node:fs/promises");

const mebibyte = 1024 * 1024;

/** The disk that is asked from now on has so many blocks of a mebibyte left, of 1000. */
function diskWith(available: number): void {
  const figures = { bsize: mebibyte, blocks: 1000, bavail: available };
  vi.mocked(statfs).mockResolvedValue(figures as Awaited<ReturnType<typeof statfs>>);
}

test("a failed write tells the directory, the room on its disk and what to do", async () => {
  const failed = new RaftKvError("WRITE_FAILED", "a write failed");
  diskWith(1);
  expect(await explainDiskFailure(failed, "/data/n1")).toMatchObject({
    code: "WRITE_FAILED",
    message:
      "a write failed; the disk of /data/n1 has 1048576 of 1048576000 bytes left: make room there and start the member again, " +
      "nothing that it acknowledged is lost",
    cause: failed,
  });
  diskWith(900);
  expect(await explainDiskFailure(failed, "/data/n1")).toMatchObject({
    message: expect.stringContaining("look after the disk and start the member again"),
  });
});

test("a directory that cannot be used tells of its disk when that is nearly full, and only then", async () => {
  const unusable = new RaftKvError("DIRECTORY_UNUSABLE", "LevelDB does not open");
  diskWith(3);
  expect(await explainDiskFailure(unusable, tmpdir())).toMatchObject({
    code: "DIRECTORY_UNUSABLE",
    message: expect.stringContaining("make room there"),
  });
  diskWith(900);
  expect(await explainDiskFailure(unusable, tmpdir())).toBe(unusable);
});

test("any other error, and one of a disk that cannot be asked, stays as it is", async () => {
  diskWith(1);
  const others = [new RaftKvError("WRITE_STALLED", "30 s"), new RaftKvError("LOG_CORRUPT", "damaged"), new Error("x")];
  for (const error of others) expect(await explainDiskFailure(error, tmpdir())).toBe(error);
  const failed = new RaftKvError("WRITE_FAILED", "a write failed");
  vi.mocked(statfs).mockRejectedValue(new Error("gone"));
  expect(await explainDiskFailure(failed, tmpdir())).toBe(failed);
});
