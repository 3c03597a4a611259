import type { KeyRange, Row } from "../storage/storage-engine.ts";
import type { StateMachine } from "./state-machine.ts";
import { prefixEnd } from "./state-view.ts";

/** Shows a state machine the rows that it wants to see before they come into use; what is returned tells it when they do. */
export async function surveyRows(
  stateMachine: StateMachine,
  iterate: (range: KeyRange) => AsyncIterable<Row>,
): Promise<() => void> {
  const survey = stateMachine.survey?.();
  if (survey === undefined) return () => {};
  for (const prefix of survey.prefixes) {
    for await (const [key, value] of iterate({ start: prefix, end: prefixEnd(prefix) })) survey.add(key, value);
  }
  return () => survey.takeUp();
}
