import { RaftKvError } from "../lib/errors.ts";
import { unusable } from "./data-directory.ts";

/** Gives the error to reject with in the place of one that came from a directory, while what was made there is still there; never rejects. */
export type ExplainFailure = (error: unknown) => Promise<unknown>;

/**
 * What a command on a directory rejects with when it failed: the error as `explain` tells it (default: as it is, a system error
 * as `DIRECTORY_UNUSABLE`), once `removal` has removed what the command made. Should that fail too, the error says so.
 */
export async function failAfter(
  error: unknown,
  directory: string,
  removal: () => Promise<void>,
  explain: ExplainFailure = async (each) => each,
): Promise<unknown> {
  const explained = await explain(error instanceof RaftKvError ? error : unusable(directory, "cannot be used", error));
  try {
    await removal();
    return explained;
  } catch (cause) {
    const [what, why] = [explained, cause].map((each) => (each instanceof Error ? each.message : String(each)));
    const message = `${what}; what was made in ${directory} could not be removed (${why}): run it again, or remove it by hand`;
    return new RaftKvError("DIRECTORY_UNUSABLE", message, { cause: explained });
  }
}
