/** Layout of NetFlow v5 and v1 messages (Cisco, "NetFlow Export Datagram Format"). */
export interface LegacyFormat {
  readonly version: 1 | 5;
  readonly headerBytes: number;
  readonly recordBytes: number;
  /** Records that one datagram may have. */
  readonly mostRecords: number;
}
export const NetFlow5: LegacyFormat = { version: 5, headerBytes: 24, recordBytes: 48, mostRecords: 30 };
export const NetFlow1: LegacyFormat = { version: 1, headerBytes: 16, recordBytes: 48, mostRecords: 24 };

/**
 * @param headerMs time of the message in ms since 1970
 * @param sequence records sent before (v5)
 * @param engine engine type << 8 | engine id (v5)
 * @param sampling mode << 14 | interval (v5)
 */
export function writeLegacyHeader(
  view: DataView,
  format: LegacyFormat,
  count: number,
  uptimeMs: number,
  headerMs: number,
  sequence: number,
  engine: number,
  sampling: number,
): void {
  view.setUint16(0, format.version);
  view.setUint16(2, count);
  view.setUint32(4, uptimeMs);
  view.setUint32(8, Math.floor(headerMs / 1000));
  view.setUint32(12, (headerMs % 1000) * 1_000_000);
  if (format.version === 1) return;
  view.setUint32(16, sequence);
  view.setUint16(20, engine);
  view.setUint16(22, sampling);
}

/**
 * @param ports source port << 16 | destination port; ICMP: type << 8 | code
 * @param asNumbers (v5) AS of the source << 16 | of the destination
 * @param masks (v5) prefix length of the source << 8 | of the destination
 * @param first, last times since boot in ms
 */
export function writeLegacyRecord(
  view: DataView,
  at: number,
  format: LegacyFormat,
  source: number,
  destination: number,
  input: number,
  packets: number,
  octets: number,
  first: number,
  last: number,
  ports: number,
  flags: number,
  protocol: number,
  tos: number,
  nextHop: number,
  asNumbers: number,
  masks: number,
): void {
  view.setInt32(at, source);
  view.setInt32(at + 4, destination);
  view.setInt32(at + 8, nextHop);
  view.setUint32(at + 12, input << 16);
  view.setUint32(at + 16, packets);
  view.setUint32(at + 20, octets);
  view.setUint32(at + 24, first);
  view.setUint32(at + 28, last);
  view.setInt32(at + 32, ports);
  if (format.version === 5) {
    view.setUint32(at + 36, (flags << 16) | (protocol << 8) | tos);
    view.setInt32(at + 40, asNumbers);
    view.setInt32(at + 44, masks << 16);
    return;
  }
  view.setUint32(at + 36, (protocol << 8) | tos);
  view.setUint32(at + 40, flags << 24);
  view.setUint32(at + 44, 0);
}
