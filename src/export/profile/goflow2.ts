import { flagBits, type ProfileFlow } from './flow.js';

/** A direction of the flow. */
interface Direction {
  readonly from: string;
  readonly to: string;
  readonly fromPort: number | undefined;
  readonly toPort: number | undefined;
  readonly fromMac: unknown;
  readonly toMac: unknown;
  readonly packets: number | bigint;
  readonly bytes: number | bigint;
  readonly flags: string | undefined;
  readonly tos: unknown;
  readonly ttl: unknown;
}

function nanos(seconds: number, rest: number): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest);
}

function line(
  flow: ProfileFlow,
  direction: Direction,
  receivedNs: bigint,
  samplingRate: number,
): Record<string, unknown> {
  const { record, ipVersion, protocol } = flow;
  const { icmp } = record;
  const vlan = (record.vlan as number[] | undefined)?.[0] ?? 0;
  return {
    type: 'FLOWUNKNOWN',
    time_received_ns: receivedNs,
    sampling_rate: samplingRate,
    time_flow_start_ns: nanos(flow.startSeconds, flow.startNanos),
    time_flow_end_ns: nanos(flow.endSeconds, flow.endNanos),
    bytes: direction.bytes,
    packets: direction.packets,
    src_addr: direction.from,
    dst_addr: direction.to,
    etype: ipVersion === 6 ? 'IPv6' : 'IPv4',
    proto: protocol === 58 ? 'IPv6-ICMP' : (record.proto ?? '').toUpperCase(),
    src_port: direction.fromPort ?? 0,
    dst_port: direction.toPort ?? 0,
    in_if: typeof record.interface === 'number' ? record.interface + 1 : 0,
    src_mac: direction.fromMac ?? '00:00:00:00:00:00',
    dst_mac: direction.toMac ?? '00:00:00:00:00:00',
    src_vlan: vlan,
    dst_vlan: vlan,
    vlan_id: vlan,
    ip_tos: direction.tos ?? 0,
    ip_ttl: direction.ttl ?? 0,
    tcp_flags: flagBits(direction.flags) & 0xff,
    icmp_type: icmp?.type ?? 0,
    icmp_code: icmp?.code ?? 0,
    ipv6_flow_label: record.flowLabel ?? 0,
  };
}

/** Lines as goflow2 2.x writes JSON: one for each direction that has packets, numbers that are not known as 0. */
export function goflow2Lines(flow: ProfileFlow, nowMs: number, samplingRate: number): Record<string, unknown>[] {
  const { record } = flow;
  const receivedNs = BigInt(Math.floor(nowMs)) * 1_000_000n;
  const lines = [
    line(
      flow,
      {
        from: record.src,
        to: record.dst,
        fromPort: record.srcPort,
        toPort: record.dstPort,
        fromMac: record.srcMac,
        toMac: record.dstMac,
        packets: record.packets,
        bytes: record.bytes,
        flags: record.tcpFlags,
        tos: record.tos,
        ttl: record.ttlMax,
      },
      receivedNs,
      samplingRate,
    ),
  ];
  if (record.reversePackets === 0) return lines;
  lines.push(
    line(
      flow,
      {
        from: record.dst,
        to: record.src,
        fromPort: record.dstPort,
        toPort: record.srcPort,
        fromMac: record.dstMac,
        toMac: record.srcMac,
        packets: record.reversePackets,
        bytes: record.reverseBytes,
        flags: record.reverseTcpFlags,
        tos: record.reverseTos,
        ttl: record.reverseTtlMax,
      },
      receivedNs,
      samplingRate,
    ),
  );
  return lines;
}
