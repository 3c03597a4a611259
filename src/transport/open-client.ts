import { type ChannelOptions, Client } from "@grpc/grpc-js";
import type { LinkSettings } from "./peer-link.ts";

/** A connection of its own to host:port, with what is particular about it. */
export function openClient(
  address: string,
  { limits, channelCredentials }: LinkSettings,
  particular: ChannelOptions = {},
): Client {
  // With its scheme, every text is a name that can be looked up, if in vain; without, some would throw.
  return new Client(`dns:///${address}`, channelCredentials, {
    // A connection of its own: a peer's flow control never touches another's.
    "grpc.use_local_subchannel_pool": 1,
    // Retries and their buffers would break the order and the queue limit.
    "grpc.enable_retries": 0,
    // Members talk to each other directly, whatever the environment says about proxies.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_channelz": 0,
    "grpc.initial_reconnect_backoff_ms": limits.reconnectMinMs,
    "grpc.min_reconnect_backoff_ms": limits.reconnectMinMs,
    "grpc.max_reconnect_backoff_ms": limits.reconnectMaxMs,
    "grpc.dns_min_time_between_resolutions_ms": limits.reconnectMinMs,
    "grpc.keepalive_time_ms": limits.keepaliveIntervalMs,
    "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.max_send_message_length": limits.frameBytesMax,
    ...particular,
  });
}
