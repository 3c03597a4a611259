import { expect, test } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import { SnapshotInstaller, type SnapshotInstallerDependencies } from "../../src/replica/snapshot-installer.ts";
import type { StateMachine } from "../../src/replica/state-machine.ts";
import type { Installation } from "../../src/storage/installation.ts";

/** Installs what a test says its rows are. */
class Installing {
  readonly failures: unknown[] = [];
  readonly refused: unknown[] = [];
  readonly installer: SnapshotInstaller;

  constructor() {
    const deps: Partial<SnapshotInstallerDependencies> = {
      view: { prepare: async () => ({ indexKeys: undefined }) } as unknown as SnapshotInstallerDependencies["view"],
      stateMachine: {
        survey: () => ({ prefixes: [Uint8Array.of(1)], add() {}, takeUp() {} }),
      } as Partial<StateMachine> as StateMachine,
      guarded: (part) => part(),
      unusable: (_installation, error) => void this.refused.push(error),
      fail: (error) => void this.failures.push(error),
    };
    this.installer = new SnapshotInstaller(deps as SnapshotInstallerDependencies);
  }
}

/** An installation whose rows go away while they are read. */
function installationCutShort(
  error: unknown,
  meanwhile: () => void = () => {},
  type: Installation["type"] = "files",
): Installation {
  const installation: Partial<Installation> = {
    type,
    complete: async () => undefined,
    async *iterate() {
      await new Promise(setImmediate);
      meanwhile();
      yield [Uint8Array.of(1), Uint8Array.of()];
      throw error;
    },
  };
  return installation as Installation;
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
}

test("a snapshot that is given up while its rows are read stops nothing; any other reading that fails does", async () => {
  const error = new RaftKvError("STORE_CLOSED", "the files are gone");
  const { installer, failures } = new Installing();
  installer.prepare(installationCutShort(error, () => installer.forget()));
  await settle();
  expect(failures).toEqual([]);
  installer.prepare(installationCutShort(error));
  await settle();
  expect(failures).toEqual([error]);
});

test("damage in the files of another member is a reason to do without them; in rows it is this member's own", async () => {
  const damage = new RaftKvError("STATE_CORRUPT", "a row is damaged");
  const { installer, failures, refused } = new Installing();
  installer.prepare(installationCutShort(damage));
  await settle();
  expect([failures, refused]).toEqual([[], [damage]]);
  installer.prepare(installationCutShort(damage, undefined, "rows"));
  await settle();
  expect([failures, refused]).toEqual([[damage], [damage]]);
});
