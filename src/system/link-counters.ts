import { readFileSync } from 'node:fs';
import type { EthernetCounters, InterfaceCounters } from '../codec/sflow-format.js';
import { LinkMonitor, type LinkStatistics } from './links.js';
import { inNetns } from './netns.js';

/** ARP hardware types (linux/if_arp.h) → ifType (IANA). Others are "other", 1. */
const TYPES: ReadonlyMap<number, number> = new Map([
  [1, 6], // Ethernet
  [512, 23], // PPP
  [768, 131], // tunnels
  [769, 131],
  [772, 24], // loopback
  [776, 131],
  [778, 131],
  [65534, 131],
]);
const OTHER = 1;
const ETHERNET = 1;

/** Counters of an interface as SNMP names them (RFC 2863, RFC 3635). What the kernel does not tell is left out. */
export interface LinkCounters {
  readonly name: string;
  /** Without `ifIndex`: who sends them numbers interfaces. */
  readonly counters: Omit<InterfaceCounters, 'ifIndex'>;
  readonly ethernet: EthernetCounters | undefined;
}

/** Reads the kernel's counters of the interfaces of a network namespace. */
export class LinkCounterReader {
  private readonly monitor: LinkMonitor;
  /** /sys shows the interfaces of our own namespace only. */
  private readonly sysfs: boolean;

  /** @throws SystemError, RheoError input: no such namespace, or no right to enter it */
  constructor(netns: string | undefined) {
    this.monitor = inNetns(netns, () => new LinkMonitor());
    this.sysfs = netns === undefined;
  }

  /** All interfaces, by name. @throws SystemError */
  read(): Map<string, LinkCounters> {
    const found = new Map<string, LinkCounters>();
    for (const link of this.monitor.statistics()) found.set(link.name, this.countersOf(link));
    return found;
  }

  close(): void {
    this.monitor.close();
  }

  private countersOf(link: LinkStatistics): LinkCounters {
    const { name, hardware, values, administrativelyUp, up, promiscuous } = link;
    const [receivedPackets, sentPackets, receivedBytes, sentBytes, receiveErrors, sendErrors] = values;
    const [receiveDropped, sendDropped, multicast] = values.slice(6);
    const megabits = this.sysfs ? Number(attribute(name, 'speed')) : Number.NaN;
    const duplex = this.sysfs ? attribute(name, 'duplex') : undefined;
    const counters = {
      ifType: TYPES.get(hardware) ?? OTHER,
      ifSpeed: megabits > 0 ? megabits * 1e6 : 0,
      ifDirection: duplex === 'full' ? 1 : duplex === 'half' ? 2 : 0,
      ifStatus: (administrativelyUp ? 1 : 0) | (up ? 2 : 0),
      ifInOctets: receivedBytes,
      // The kernel counts multicast among all, and does not count broadcast apart, nor multicast that goes out.
      ifInUcastPkts: modulo(receivedPackets - multicast),
      ifInMulticastPkts: modulo(multicast),
      ifInDiscards: modulo(receiveDropped),
      ifInErrors: modulo(receiveErrors),
      ifOutOctets: sentBytes,
      ifOutUcastPkts: modulo(sentPackets),
      ifOutDiscards: modulo(sendDropped),
      ifOutErrors: modulo(sendErrors),
      ifPromiscuousMode: promiscuous ? 1 : 2,
    };
    return { name, counters, ethernet: hardware === ETHERNET ? ethernetCounters(values) : undefined };
  }
}

/** What struct rtnl_link_stats64 says in the words of IEEE 802.3 (linux/if_link.h), in SNMP's. */
function ethernetCounters(values: readonly bigint[]): EthernetCounters {
  return {
    dot3StatsFCSErrors: modulo(values[12]),
    dot3StatsAlignmentErrors: modulo(values[13]),
    dot3StatsExcessiveCollisions: modulo(values[16]),
    dot3StatsCarrierSenseErrors: modulo(values[17]),
    dot3StatsSQETestErrors: modulo(values[19]),
    dot3StatsLateCollisions: modulo(values[20]),
  };
}

/** A counter of 32 bits. */
function modulo(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

/** A file of /sys/class/net/NAME; undefined where it cannot be read (speed and duplex of what has none). */
function attribute(name: string, file: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${name}/${file}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
