import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";

/** What the leader answered to a call that was passed on, or why no answer came. */
export type PassedAnswer<Response> =
  | { readonly ok: true; readonly response: Response }
  | {
      readonly ok: false;
      /** Reason of the leader's refusal; `null` when it did not answer. */
      readonly reason: string | null;
      readonly message: string;
      readonly metadata: Readonly<Record<string, string>>;
      /** When to try again, milliseconds; 0 where the leader did not say. */
      readonly retryDelayMs: number;
      /** Whether the call may have reached the leader. */
      readonly sent: boolean;
    };

/** Passes rare calls on to the leader's client port; writes and reads go over the peer links instead. */
export interface LeaderProxy {
  /** Calls the member at `address`, HOST:PORT, telling it not to pass the call on again; never throws. */
  pass<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    target: { readonly address: string; readonly timeoutMs: number },
  ): Promise<PassedAnswer<MessageShape<O>>>;
}
