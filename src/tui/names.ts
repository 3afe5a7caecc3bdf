import { safeText } from './text.js';

/** Addresses that everybody has, and what they are for (IANA's special-purpose and multicast registries). */
const WELL_KNOWN: ReadonlyMap<string, string> = new Map([
  ['255.255.255.255', 'broadcast'],
  ['0.0.0.0', 'this-host'],
  ['127.0.0.1', 'localhost'],
  ['224.0.0.1', 'all-hosts'],
  ['224.0.0.2', 'all-routers'],
  ['224.0.0.5', 'ospf-routers'],
  ['224.0.0.6', 'ospf-designated'],
  ['224.0.0.9', 'rip2-routers'],
  ['224.0.0.13', 'pim-routers'],
  ['224.0.0.18', 'vrrp'],
  ['224.0.0.22', 'igmp'],
  ['224.0.0.251', 'mdns'],
  ['224.0.0.252', 'llmnr'],
  ['224.0.1.1', 'ntp-multicast'],
  ['224.0.1.129', 'ptp-primary'],
  ['239.255.255.250', 'ssdp'],
  ['::', 'unspecified'],
  ['::1', 'localhost'],
  ['ff02::1', 'all-nodes'],
  ['ff02::2', 'all-routers'],
  ['ff02::5', 'ospf-routers'],
  ['ff02::6', 'ospf-designated'],
  ['ff02::9', 'rip-routers'],
  ['ff02::a', 'eigrp-routers'],
  ['ff02::c', 'ssdp'],
  ['ff02::d', 'pim-routers'],
  ['ff02::16', 'mldv2-routers'],
  ['ff02::fb', 'mdns'],
  ['ff02::1:2', 'dhcp-agents'],
  ['ff02::1:3', 'llmnr'],
]);

/** Ports whose service most people know (IANA's service names, or the name in use). */
const SERVICES: ReadonlyMap<number, string> = new Map([
  [20, 'ftp-data'],
  [21, 'ftp'],
  [22, 'ssh'],
  [23, 'telnet'],
  [25, 'smtp'],
  [43, 'whois'],
  [49, 'tacacs'],
  [53, 'domain'],
  [67, 'dhcp'],
  [68, 'dhcp-client'],
  [69, 'tftp'],
  [79, 'finger'],
  [80, 'http'],
  [88, 'kerberos'],
  [110, 'pop3'],
  [111, 'sunrpc'],
  [119, 'nntp'],
  [123, 'ntp'],
  [135, 'epmap'],
  [137, 'netbios-ns'],
  [138, 'netbios-dgm'],
  [139, 'netbios-ssn'],
  [143, 'imap'],
  [161, 'snmp'],
  [162, 'snmptrap'],
  [179, 'bgp'],
  [319, 'ptp-event'],
  [320, 'ptp-general'],
  [389, 'ldap'],
  [443, 'https'],
  [445, 'microsoft-ds'],
  [464, 'kpasswd'],
  [465, 'submissions'],
  [500, 'isakmp'],
  [502, 'modbus'],
  [514, 'syslog'],
  [515, 'printer'],
  [520, 'rip'],
  [546, 'dhcpv6-client'],
  [547, 'dhcpv6'],
  [554, 'rtsp'],
  [587, 'submission'],
  [631, 'ipp'],
  [636, 'ldaps'],
  [853, 'domain-s'],
  [873, 'rsync'],
  [993, 'imaps'],
  [995, 'pop3s'],
  [1080, 'socks'],
  [1194, 'openvpn'],
  [1433, 'ms-sql'],
  [1701, 'l2tp'],
  [1723, 'pptp'],
  [1812, 'radius'],
  [1813, 'radius-acct'],
  [1883, 'mqtt'],
  [1900, 'ssdp'],
  [2049, 'nfs'],
  [2055, 'netflow'],
  [2123, 'gtp-c'],
  [2152, 'gtp-u'],
  [2181, 'zookeeper'],
  [2379, 'etcd'],
  [3128, 'squid'],
  [3268, 'ldap-gc'],
  [3306, 'mysql'],
  [3389, 'rdp'],
  [3478, 'stun'],
  [3544, 'teredo'],
  [3702, 'ws-discovery'],
  [4500, 'ipsec-nat-t'],
  [4739, 'ipfix'],
  [4789, 'vxlan'],
  [5060, 'sip'],
  [5061, 'sips'],
  [5201, 'iperf3'],
  [5222, 'xmpp-client'],
  [5349, 'stuns'],
  [5353, 'mdns'],
  [5355, 'llmnr'],
  [5432, 'postgresql'],
  [5671, 'amqps'],
  [5672, 'amqp'],
  [5900, 'vnc'],
  [6081, 'geneve'],
  [6343, 'sflow'],
  [6379, 'redis'],
  [6443, 'kubernetes'],
  [6881, 'bittorrent'],
  [8080, 'http-alt'],
  [8443, 'https-alt'],
  [8883, 'secure-mqtt'],
  [9000, 'cslistener'],
  [9092, 'kafka'],
  [9200, 'elasticsearch'],
  [10514, 'firefly'],
  [11211, 'memcache'],
  [27017, 'mongodb'],
  [51820, 'wireguard'],
]);

const ICMP_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'echo-reply'],
  [3, 'unreachable'],
  [5, 'redirect'],
  [8, 'echo'],
  [9, 'router-advert'],
  [10, 'router-solicit'],
  [11, 'time-exceeded'],
  [12, 'parameter'],
  [13, 'timestamp'],
]);
const ICMP6_TYPES: ReadonlyMap<number, string> = new Map([
  [1, 'unreachable'],
  [2, 'too-big'],
  [3, 'time-exceeded'],
  [4, 'parameter'],
  [128, 'echo'],
  [129, 'echo-reply'],
  [130, 'mld-query'],
  [131, 'mld-report'],
  [132, 'mld-done'],
  [133, 'router-solicit'],
  [134, 'router-advert'],
  [135, 'neighbor-solicit'],
  [136, 'neighbor-advert'],
  [137, 'redirect'],
  [143, 'mld-report'],
]);

/** Names for addresses and ports without asking anybody: those in the capture, and those that everybody knows. */
export class NameBook {
  readonly #enabled: boolean;
  #captured: ReadonlyMap<string, string> = new Map();

  /** @param enabled false: numbers only (`-n`) */
  constructor(enabled: boolean) {
    this.#enabled = enabled;
  }

  /** Takes the names that a capture carries: address text → name. */
  learn(names: ReadonlyMap<string, string>): void {
    if (names.size === 0) return;
    this.#captured = this.#captured.size === 0 ? names : new Map([...this.#captured, ...names]);
  }

  address(text: string): string {
    if (!this.#enabled) return text;
    const captured = this.#captured.get(text);
    return captured === undefined ? (WELL_KNOWN.get(text) ?? text) : safeText(captured);
  }

  port(port: number): string {
    return (this.#enabled ? SERVICES.get(port) : undefined) ?? String(port);
  }

  /** Address and port as one word; IPv6 addresses in brackets. */
  endpoint(address: string, port: number | undefined): string {
    const name = this.address(address);
    if (port === undefined) return name;
    return name.includes(':') ? `[${name}]:${this.port(port)}` : `${name}:${this.port(port)}`;
  }

  /** Protocol, with the kind of ICMP message. */
  protocol(proto: string | undefined, icmp: { type: number } | undefined): string {
    if (proto === undefined) return 'any';
    if (icmp === undefined) return proto;
    const names = proto === 'icmp' ? ICMP_TYPES : ICMP6_TYPES;
    const name = (this.#enabled ? names.get(icmp.type) : undefined) ?? `type-${icmp.type}`;
    return `${proto === 'ipv6-icmp' ? 'icmp6' : proto} ${name}`;
  }
}
