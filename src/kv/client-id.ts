const encoder = new TextEncoder();

/** A client id as UTF-8. ASCII, which nearly all are, is copied by hand: the encoder's array costs ten times as much. */
export function encodeClientId(clientId: string): Uint8Array {
  const bytes = new Uint8Array(clientId.length);
  for (let at = 0; at < clientId.length; at++) {
    const unit = clientId.charCodeAt(at);
    if (unit > 0x7f) return encoder.encode(clientId);
    bytes[at] = unit;
  }
  return bytes;
}
