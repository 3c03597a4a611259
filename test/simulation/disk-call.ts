import type { MemberProcess } from "./member-process.ts";
import type { SimDisk } from "./sim-disk.ts";
import type { World } from "./world.ts";

/** What never comes: the process that waits for it is dead. */
export const never = <Value>(): Promise<Value> => new Promise(() => {});

/** Something that is made durable. */
export interface DiskWrite {
  /** Makes it durable. */
  readonly land: () => void;
  /** What the disk has of it when the process dies meanwhile, if not nothing. Default: all of it. */
  readonly tear?: () => void;
  /** Called when the process dies before it knows that it is durable. */
  readonly onCut?: () => void;
}

/** Makes something durable on a disk, with all that may happen on the way; the promise is settled by an event of the process. */
export function land(world: World, disk: SimDisk, process: MemberProcess, what: DiskWrite): Promise<void> {
  world.touch();
  if (!process.pass("beforeWrite")) {
    world.coverage.saw("crashedBeforeWrite");
    what.onCut?.();
    return never();
  }
  const fails = disk.takeFailure();
  disk.begin(what);
  if (!process.pass("duringWrite")) {
    world.coverage.saw("crashedDuringWrite");
    return never();
  }
  return new Promise((resolve, reject) => {
    world.queue.after(disk.drawWriteMs(), () => {
      if (!disk.end(what)) return;
      const lands = !fails || disk.dice.chance(0.5);
      if (lands) what.land();
      world.trace.mix(disk.number, fails ? 1 : 0, lands ? 1 : 0);
      if (!process.pass("afterWrite")) {
        world.coverage.saw("crashedAfterWrite");
        what.onCut?.();
        return;
      }
      process.run(() => {
        world.touch();
        if (!fails) {
          resolve();
          return;
        }
        world.coverage.saw("writeFailed");
        process.writeFailed = true;
        reject(new Error("input/output error"));
      });
    });
  });
}

/** Waits as long as a read takes; the promise is settled by an event of the process. */
export function readDelay(world: World, disk: SimDisk, process: MemberProcess): Promise<void> {
  world.touch();
  if (!process.pass("read")) {
    world.coverage.saw("crashedAtRead");
    return never();
  }
  return new Promise((resolve) => {
    world.queue.after(disk.drawReadMs(), () =>
      process.run(() => {
        world.touch();
        resolve();
      }),
    );
  });
}
