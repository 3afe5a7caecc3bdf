import { flagBits, microText, type ProfileFlow } from './flow.js';

const TCP = 6;

/** Local time of Suricata's EVE, here always UTC: `2024-01-01T00:00:00.123456+0000`. */
function time(seconds: number, nanos: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${microText(nanos)}+0000`;
}

function hex(bits: number): string {
  return (bits & 0xff).toString(16).padStart(2, '0');
}

/** True for each TCP flag that is set; Suricata leaves out the others. */
function flagNames(bits: number): Record<string, true> {
  const names: Record<string, true> = {};
  for (const [k, name] of ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'].entries()) {
    if ((bits & (1 << k)) !== 0) names[name] = true;
  }
  return names;
}

/** Suricata's words for why a flow ended; forced and resources are both ends before its time. */
const REASONS: Readonly<Record<string, string>> = {
  idle: 'timeout',
  active: 'timeout',
  end: 'timeout',
  forced: 'forced',
  resources: 'forced',
};

function state({ record, protocol }: ProfileFlow): string {
  const answered = record.reversePackets !== 0;
  if (protocol === TCP && record.endReason === 'end') return 'closed';
  return answered ? 'established' : 'new';
}

/** A record of event type `flow` as Suricata 7 writes it. */
export function eveFlow(flow: ProfileFlow): Record<string, unknown> {
  const { record, protocol, startSeconds, startNanos, endSeconds, endNanos } = flow;
  const { srcPort, dstPort, icmp, tcpFlags, reverseTcpFlags, communityId } = record;
  const forward = flagBits(tcpFlags);
  const reverse = flagBits(reverseTcpFlags);
  return {
    timestamp: time(endSeconds, endNanos),
    // Suricata's is a number too; JSON readers keep 53 bits of one.
    flow_id: Number(BigInt(`0x${record.id}`) >> 11n),
    in_iface: record.interfaceName,
    event_type: 'flow',
    vlan: record.vlan,
    src_ip: record.src,
    src_port: srcPort,
    dest_ip: record.dst,
    dest_port: dstPort,
    proto: protocol === 58 ? 'IPv6-ICMP' : record.proto?.toUpperCase(),
    icmp_type: icmp?.type,
    icmp_code: icmp?.code,
    app_proto: record.app,
    flow: {
      pkts_toserver: record.packets,
      pkts_toclient: record.reversePackets,
      bytes_toserver: record.bytes,
      bytes_toclient: record.reverseBytes,
      start: time(startSeconds, startNanos),
      end: time(endSeconds, endNanos),
      age: Math.max(0, endSeconds - startSeconds),
      state: state(flow),
      reason: REASONS[record.endReason],
      alerted: false,
    },
    community_id: communityId,
    ...(tcpFlags === undefined && reverseTcpFlags === undefined
      ? {}
      : {
          tcp: {
            tcp_flags: hex(forward | reverse),
            tcp_flags_ts: hex(forward),
            tcp_flags_tc: hex(reverse),
            ...flagNames(forward | reverse),
          },
        }),
  };
}
