import { count, type ProfileFlow } from './flow.js';

/** Elastic Common Schema. */
const VERSION = '8.11';

function sum(one: number | bigint, other: number | bigint): number | bigint {
  return typeof one === 'number' && typeof other === 'number' ? one + other : BigInt(one) + BigInt(other);
}

/** A record in the Elastic Common Schema: an event of category network. */
export function ecsFlow({ record, ipVersion, protocol }: ProfileFlow): Record<string, unknown> {
  const { vlan, icmp } = record as { vlan?: number[]; icmp?: { type: number; code: number } };
  return {
    '@timestamp': record.end,
    ecs: { version: VERSION },
    event: {
      kind: 'event',
      category: ['network'],
      type: record.endReason === 'active' ? ['connection'] : ['connection', 'end'],
      action: 'network_flow',
      dataset: 'rheo.flow',
      start: record.start,
      end: record.end,
      // Nanoseconds.
      duration: Math.round(record.duration * 1e9),
      reason: record.endReason,
    },
    source: {
      ip: record.src,
      address: record.src,
      port: record.srcPort,
      mac: mac(record.srcMac),
      bytes: record.bytes,
      packets: record.packets,
    },
    destination: {
      ip: record.dst,
      address: record.dst,
      port: record.dstPort,
      mac: mac(record.dstMac),
      bytes: record.reverseBytes,
      packets: record.reversePackets,
    },
    network: {
      type: ipVersion === 6 ? 'ipv6' : 'ipv4',
      transport: record.proto,
      iana_number: protocol === undefined ? undefined : String(protocol),
      protocol: record.app,
      community_id: record.communityId,
      bytes: sum(record.bytes, record.reverseBytes),
      packets: count(record.packets) + count(record.reversePackets),
      ...(vlan === undefined ? {} : { vlan: { id: String(vlan[0]) } }),
      ...(vlan === undefined || vlan.length < 2 ? {} : { inner: { vlan: { id: String(vlan[1]) } } }),
    },
    ...(icmp === undefined ? {} : { icmp: { type: icmp.type, code: icmp.code } }),
    flow: { id: record.id, final: record.endReason !== 'active' },
    ...(record.interfaceName === undefined
      ? {}
      : { observer: { ingress: { interface: { name: record.interfaceName } } } }),
  };
}

/** ECS wants capitals and dashes. */
function mac(address: unknown): string | undefined {
  return typeof address === 'string' ? address.toUpperCase().replaceAll(':', '-') : undefined;
}
