import { PROTOCOL_NAMES } from '../model/protocols.js';

/** Protocol keywords that may stand alone or as a qualifier. `link` has aliases. */
export const LINK_WORDS: readonly string[] = ['link', 'ether', 'fddi', 'tr', 'wlan', 'ppp', 'slip'];

/** Keyword → EtherType, or LLC SAP if at most 1500. */
export const ETHER_TYPES: ReadonlyMap<string, number> = new Map([
  ['ip', 0x0800],
  ['ip6', 0x86dd],
  ['arp', 0x0806],
  ['rarp', 0x8035],
  ['atalk', 0x809b],
  ['aarp', 0x80f3],
  ['decnet', 0x6003],
  ['lat', 0x6004],
  ['sca', 0x6007],
  ['mopdl', 0x6001],
  ['moprc', 0x6002],
  ['iso', 0xfe],
  ['stp', 0x42],
  ['ipx', 0xe0],
  ['netbeui', 0xf0],
]);

/** Keyword → IP protocol number, and the IP version that the keyword means. */
export const IP_PROTOCOLS: ReadonlyMap<string, { number: number; version: 'ip' | 'ip6' | 'any' }> = new Map([
  ['tcp', { number: 6, version: 'any' }],
  ['udp', { number: 17, version: 'any' }],
  ['sctp', { number: 132, version: 'any' }],
  ['icmp', { number: 1, version: 'ip' }],
  ['igmp', { number: 2, version: 'ip' }],
  ['igrp', { number: 9, version: 'ip' }],
  ['pim', { number: 103, version: 'any' }],
  ['vrrp', { number: 112, version: 'ip' }],
  ['carp', { number: 112, version: 'ip' }],
  ['icmp6', { number: 58, version: 'ip6' }],
  ['ah', { number: 51, version: 'any' }],
  ['esp', { number: 50, version: 'any' }],
]);

/** Words with a meaning in the grammar of this subset. */
const GRAMMAR_WORDS: readonly string[] = (
  'src dst host net mask port portrange proto less greater broadcast multicast and or not len length ' +
  'vlan mpls pppoes pppoed'
).split(' ');

/** Words of the complete language that this subset refuses. */
export const LATER_WORDS: ReadonlySet<string> = new Set(
  (
    'protochain gateway type subtype direction dir address1 addr1 address2 addr2 address3 addr3 address4 addr4 ra ta ' +
    'byte inbound outbound ifindex geneve lane llc metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci connectmsg ' +
    'metaconnect on ifname rset ruleset rnr rulenum srnr subrulenum reason action fisu lssu lsu msu hfisu hlssu hmsu ' +
    'sio opc dpc sls hsio hopc hdpc hsls radio esis es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp'
  ).split(' '),
);

/** Words that are numbers: header fields' offsets, ICMP types, TCP flags. */
export const NUMBER_WORDS: ReadonlyMap<string, number> = new Map(
  (
    'icmptype 0 icmpcode 1 icmp-echoreply 0 icmp-unreach 3 icmp-sourcequench 4 icmp-redirect 5 icmp-echo 8 ' +
    'icmp-routeradvert 9 icmp-routersolicit 10 icmp-timxceed 11 icmp-paramprob 12 icmp-tstamp 13 icmp-tstampreply 14 ' +
    'icmp-ireq 15 icmp-ireqreply 16 icmp-maskreq 17 icmp-maskreply 18 ' +
    'icmp6type 0 icmp6code 1 icmp6-destinationunreach 1 icmp6-packettoobig 2 icmp6-timeexceeded 3 ' +
    'icmp6-parameterproblem 4 icmp6-echo 128 icmp6-echoreply 129 icmp6-multicastlistenerquery 130 ' +
    'icmp6-multicastlistenerreportv1 131 icmp6-multicastlistenerdone 132 icmp6-routersolicit 133 ' +
    'icmp6-routeradvert 134 icmp6-neighborsolicit 135 icmp6-neighboradvert 136 icmp6-redirect 137 ' +
    'icmp6-routerrenum 138 icmp6-nodeinformationquery 139 icmp6-nodeinformationresponse 140 ' +
    'icmp6-ineighbordiscoverysolicit 141 icmp6-ineighbordiscoveryadvert 142 icmp6-multicastlistenerreportv2 143 ' +
    'icmp6-homeagentdiscoveryrequest 144 icmp6-homeagentdiscoveryreply 145 icmp6-mobileprefixsolicit 146 ' +
    'icmp6-mobileprefixadvert 147 icmp6-certpathsolicit 148 icmp6-certpathadvert 149 icmp6-multicastrouteradvert 151 ' +
    'icmp6-multicastroutersolicit 152 icmp6-multicastrouterterm 153 ' +
    'tcpflags 13 tcp-fin 1 tcp-syn 2 tcp-rst 4 tcp-push 8 tcp-ack 16 tcp-urg 32 tcp-ece 64 tcp-cwr 128'
  )
    .match(/\S+ \d+/g)
    ?.map((pair): [string, number] => {
      const [word, value] = pair.split(' ');
      return [word ?? '', Number(value)];
    }) ?? [],
);

/** Words of the language that have no meaning as an address, protocol or port. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  ...LINK_WORDS,
  ...ETHER_TYPES.keys(),
  ...IP_PROTOCOLS.keys(),
  ...GRAMMAR_WORDS,
  ...LATER_WORDS,
]);

/** Names for `ip proto`: IANA's keywords, and those that only /etc/protocols has. */
const PROTOCOL_NUMBERS: ReadonlyMap<string, number> = new Map([
  ...PROTOCOL_NAMES.map((name, number): [string, number] => [name, number]).filter(([name]) => !/^\d+$/.test(name)),
  ['ip', 0],
  ['ipencap', 4],
  ['ospf', 89],
]);

export function ipProtocolNumber(name: string): number | undefined {
  return PROTOCOL_NUMBERS.get(name) ?? PROTOCOL_NUMBERS.get(name.toLowerCase());
}

/** Names for `ether proto`. */
export function etherTypeNumber(name: string): number | undefined {
  return name === 'loopback' ? 0x9000 : ETHER_TYPES.get(name);
}

export interface Service {
  readonly port: number;
  /** IP protocol number if the name is registered for one only; undefined: TCP and UDP. */
  readonly protocol: number | undefined;
}

/** Ports by name (IANA's service names, transports as Debian's netbase has them): t = TCP, u = UDP, b = both. */
const SERVICES: ReadonlyMap<string, Service> = new Map(
  (
    'echo 7b discard 9b daytime 13b chargen 19b ftp-data 20t ftp 21t ssh 22t telnet 23t smtp 25t mail 25t time 37b ' +
    'whois 43t tacacs 49b domain 53b bootps 67u bootpc 68u tftp 69u gopher 70t finger 79t http 80t www 80t ' +
    'kerberos 88b pop3 110t sunrpc 111b portmapper 111b auth 113t ident 113t nntp 119t ntp 123u epmap 135t ' +
    'netbios-ns 137u netbios-dgm 138u netbios-ssn 139t imap2 143t imap 143t snmp 161b snmp-trap 162b snmptrap 162b ' +
    'xdmcp 177u bgp 179t ptp-event 319u ptp-general 320u ldap 389b svrloc 427b https 443b microsoft-ds 445t ' +
    'kpasswd 464b submissions 465t smtps 465t isakmp 500u exec 512t biff 512u login 513t who 513u shell 514t ' +
    'printer 515t talk 517u ntalk 518u route 520u klogin 543t kshell 544t dhcpv6-client 546u dhcpv6-server 547u ' +
    'rtsp 554b nntps 563t submission 587t ipp 631t ldaps 636b ldp 646b domain-s 853b rsync 873t ftps-data 989t ' +
    'ftps 990t telnets 992t imaps 993t pop3s 995t socks 1080t openvpn 1194b ms-sql-s 1433t ms-sql-m 1434u ' +
    'l2f 1701u l2tp 1701u radius 1812b radius-acct 1813b cisco-sccp 2000t nfs 2049b mysql 3306t ms-wbt-server 3389t ' +
    'iscsi-target 3260t svn 3690t epmd 4369t ipsec-nat-t 4500u iax 4569u sip 5060b sip-tls 5061b xmpp-client 5222t ' +
    'xmpp-server 5269t mdns 5353u postgresql 5432t amqps 5671t amqp 5672t x11 6000t redis 6379t syslog-tls 6514t ' +
    'ircd 6667t ircs-u 6697t http-alt 8080t git 9418t zabbix-agent 10050t zabbix-trapper 10051t'
  )
    .match(/\S+ \d+[tub]/g)
    ?.map((entry): [string, Service] => {
      const [name, port] = entry.split(' ');
      const transport = port?.at(-1);
      const protocol = transport === 't' ? 6 : transport === 'u' ? 17 : undefined;
      return [name ?? '', { port: Number.parseInt(port ?? '', 10), protocol }];
    }) ?? [],
);

export function serviceByName(name: string): Service | undefined {
  return SERVICES.get(name);
}
