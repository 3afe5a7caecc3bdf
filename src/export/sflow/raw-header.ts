import { SflowHeader } from '../../codec/sflow-format.js';
import type { SwitchData } from '../../codec/sflow-write.js';
import type { PacketSample } from '../../model/packet-sample.js';

/** What of a frame sFlow can carry: bytes from `offset` on, as `protocol`. */
export interface RawHeader {
  readonly protocol: number;
  readonly offset: number;
}

const UNKNOWN = 0xffffffff;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;

/** Link-layer header of cooked and loopback captures, which sFlow has no number for: bytes, and where the EtherType stands. */
const STRIPPED: ReadonlyMap<number, { readonly bytes: number; readonly type?: number }> = new Map([
  [0, { bytes: 4 }], // BSD loopback
  [108, { bytes: 4 }],
  [113, { bytes: 16, type: 14 }], // Linux cooked
  [276, { bytes: 20, type: 0 }],
]);

/** LINKTYPE_ numbers of packets that begin with the IP header. */
const RAW_IP: ReadonlySet<number> = new Set([12, 14, 101, 228, 229]);

/**
 * How a frame goes out (sflow.org, "sFlow Version 5", header_protocol). A link layer that sFlow has no number for is
 * taken off where IP lies behind it. Undefined: it cannot be carried.
 */
export function rawHeader({ link, header }: PacketSample): RawHeader | undefined {
  if (link === 1) return { protocol: SflowHeader.ethernet, offset: 0 };
  if (link === 9) return { protocol: SflowHeader.ppp, offset: 0 };
  if (RAW_IP.has(link)) return ipHeader(header, 0);
  const stripped = STRIPPED.get(link);
  if (stripped === undefined || header.length < stripped.bytes) return undefined;
  const { bytes, type } = stripped;
  if (type !== undefined) {
    const found = (header[type] << 8) | header[type + 1];
    if (found !== ETHERTYPE_IPV4 && found !== ETHERTYPE_IPV6) return undefined;
  }
  return ipHeader(header, bytes);
}

function ipHeader(header: Uint8Array, offset: number): RawHeader | undefined {
  if (offset >= header.length) return undefined;
  const version = header[offset] >>> 4;
  if (version === 4) return { protocol: SflowHeader.ipv4, offset };
  if (version === 6) return { protocol: SflowHeader.ipv6, offset };
  return undefined;
}

/**
 * The VLAN of an Ethernet frame: that with which it came in or went out, as its direction says; the one of the other side
 * is not known. Undefined: it has no tag.
 */
export function switchData({ link, header, direction }: PacketSample): SwitchData | undefined {
  if (link !== 1 || header.length < 16) return undefined;
  const type = (header[12] << 8) | header[13];
  if (type !== 0x8100 && type !== 0x88a8 && type !== 0x9100) return undefined;
  const vlan = ((header[14] & 0x0f) << 8) | header[15];
  const priority = header[14] >>> 5;
  if (direction === 2) {
    return { sourceVlan: UNKNOWN, sourcePriority: UNKNOWN, destinationVlan: vlan, destinationPriority: priority };
  }
  return { sourceVlan: vlan, sourcePriority: priority, destinationVlan: UNKNOWN, destinationPriority: UNKNOWN };
}
