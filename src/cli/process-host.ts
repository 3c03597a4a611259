import type { EventEmitter } from "node:events";
import { constants } from "node:os";

/** The first request to stop, and how to stop listening for more. */
export interface StopRequest {
  /** Resolves with the reason: a signal's name, or "parent gone". */
  readonly told: Promise<string>;
  /** Stops listening. */
  ignore(): void;
}

/** What a command asks of the process that it runs in. */
export interface ProcessHost {
  /** Waits for SIGTERM, SIGINT or the end of the parent that opened an IPC channel. A second signal exits as soon as no call of another thread to the system holds it up. */
  onceToldToStop(): StopRequest;
  /** Calls back with what nobody caught; returns how to stop that. */
  onUncaught(listener: (error: unknown) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  /** Ends the process at once, by SIGKILL: an exit waits for system calls of other threads, and one at a disk that hangs does not end. */
  kill(): void;
}

/** The events and calls of `process` that matter here. */
export type ProcessLike = Pick<EventEmitter, "on" | "off"> & {
  readonly connected?: boolean;
  readonly channel?: { unref(): void } | null | undefined;
  readonly pid: number;
  exit(code: number): void;
  kill(pid: number, signal: "SIGKILL"): void;
};

/** A host over Node's `process`, or a test's stand-in for it. */
export function createProcessHost(target: ProcessLike): ProcessHost {
  return {
    onceToldToStop: () => listenForStop(target),
    onUncaught: (listener) => {
      target.on("uncaughtException", listener).on("unhandledRejection", listener);
      return () => target.off("uncaughtException", listener).off("unhandledRejection", listener);
    },
    exit: (code) => target.exit(code),
    kill: () => target.kill(target.pid, "SIGKILL"),
  };
}

function listenForStop(target: ProcessLike): StopRequest {
  const signals = ["SIGINT", "SIGTERM"] as const;
  let toldBefore = false;
  let tell: (why: string) => void = () => {};
  const told = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const onSignal = (signal: (typeof signals)[number]) => {
    if (toldBefore) target.exit(128 + constants.signals[signal]);
    toldBefore = true;
    tell(signal);
  };
  const onDisconnect = () => tell("parent gone");
  for (const signal of signals) target.on(signal, onSignal);
  if (target.connected === true) {
    target.on("disconnect", onDisconnect);
    // Listening for the parent's end must not by itself keep the process.
    target.channel?.unref();
  }
  return {
    told,
    ignore: () => {
      for (const signal of signals) target.off(signal, onSignal);
      target.off("disconnect", onDisconnect);
    },
  };
}
