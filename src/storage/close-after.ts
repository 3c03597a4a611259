/** What has to be closed, whatever becomes of it. */
interface Closable {
  close(): Promise<void>;
}

/**
 * Closes what `work` was done with, whether it was done or failed, and gives what came of it. Of two errors that of the work
 * counts, as in {@link closeGivenUp}.
 */
export async function closeAfter<T>(open: Closable, work: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await closeGivenUp(open);
    throw error;
  }
  await open.close();
  return result;
}

/** Closes what is given up for an error, which the caller tells: the close often fails for it, too, and says less. Never rejects. */
export async function closeGivenUp(open: Closable): Promise<void> {
  await open.close().catch(() => {});
}
