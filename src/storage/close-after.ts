/**
 * Closes what `work` was done with, whether it was done or failed, and gives what came of it. Of two errors that of the work
 * counts: the close often fails for it, and says less.
 */
export async function closeAfter<T>(open: { close(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await open.close().catch(() => {});
    throw error;
  }
  await open.close();
  return result;
}
