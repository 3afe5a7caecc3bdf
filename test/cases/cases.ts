import {
  esp,
  ethernet,
  fragments4,
  fragments6,
  gre,
  icmp,
  ip,
  ipv4,
  join,
  sctp,
  type TcpOptions,
  type TimedFrame,
  tcp,
  timed,
  udp,
  vxlan,
  zeros,
} from '../support/packets.js';

/** A small capture, what the command is told, and so what it must print: see golden.test.ts. */
export interface Case {
  args: readonly string[];
  frames: readonly TimedFrame[];
}

const CLIENT = '10.0.0.5';
const SERVER = '192.0.2.80';
const CLIENT6 = '2001:db8::5';
const SERVER6 = '2001:db8:1::80';

interface Connection {
  client?: string;
  server?: string;
  clientPort?: number;
  serverPort?: number;
  /** Bytes of the answer, in segments of 1000. */
  answer?: number;
  options?: readonly number[];
  /** Ends with a reset instead of FINs. */
  reset?: boolean;
}

/** A whole connection: handshake, a request, an answer, its end; 10 ms between packets. */
function connection(start: number, given: Connection = {}): TimedFrame[] {
  const { client = CLIENT, server = SERVER, clientPort = 50_000, serverPort = 80, answer = 2500, options = [] } = given;
  const frames: TimedFrame[] = [];
  let at = start;
  let seq = 1000;
  let ack = 9000;
  const send = (forward: boolean, segment: TcpOptions, payload = zeros(0)): void => {
    const [src, dst, from, to] = forward
      ? [client, server, clientPort, serverPort]
      : [server, client, serverPort, clientPort];
    const numbers = forward ? { seq, ack } : { seq: ack, ack: seq };
    frames.push(...timed([at, ip(src, dst, 6, tcp(from, to, { ...numbers, ...segment }, payload))]));
    at += 0.01;
    const taken = payload.length + (/[SF]/.test(segment.flags ?? '') ? 1 : 0);
    if (forward) seq += taken;
    else ack += taken;
  };
  send(true, { flags: 'S', options, ack: 0 });
  send(false, { flags: 'SA', options });
  send(true, { flags: 'A' });
  send(true, { flags: 'PA' }, new TextEncoder().encode('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n'));
  for (let left = answer; left > 0; left -= 1000)
    send(false, { flags: left > 1000 ? 'A' : 'PA' }, zeros(Math.min(left, 1000)));
  if (given.reset === true) send(false, { flags: 'RA' });
  else {
    send(true, { flags: 'FA' });
    send(false, { flags: 'FA' });
    send(true, { flags: 'A' });
  }
  return frames;
}

function question(at: number, port: number, client = CLIENT, server = SERVER): TimedFrame[] {
  return timed(
    [at, ip(client, server, 17, udp(port, 53, zeros(30)))],
    [at + 0.002, ip(server, client, 17, udp(53, port, zeros(120)))],
  );
}

const MSS_AND_SCALE = [2, 4, 5, 180, 1, 3, 3, 7];

function tagged(frames: readonly TimedFrame[], vlan: readonly number[]): TimedFrame[] {
  return frames.map((frame) => ({ ...frame, bytes: ethernet(frame.bytes.subarray(14), { vlan }) }));
}

function reordered(frames: readonly TimedFrame[], order: readonly number[]): TimedFrame[] {
  return order.map((k, n) => ({ ...frames[k], at: frames[n].at }));
}

const LONG: readonly TimedFrame[] = Array.from({ length: 50 }, (_, k) => question(k * 2, 40_000)).flat();

const QUOTED = ip(CLIENT, SERVER, 17, udp(33_434, 33_434, zeros(30)));
const QUOTED6 = ip(CLIENT6, SERVER6, 6, tcp(50_000, 81, { flags: 'S' }));

export const CASES: Readonly<Record<string, Case>> = {
  'tcp-connection': { args: [], frames: connection(0.5) },
  'tcp-ipv6-reset': { args: [], frames: connection(0, { client: CLIENT6, server: SERVER6, reset: true }) },
  'direction-corrected': {
    args: ['--idle-timeout', '1h'],
    // An old answer comes first, then the connection; of another only the answer to the SYN is there.
    frames: [
      ...timed([0, ip(SERVER, CLIENT, 6, tcp(80, 50_000, { flags: 'A', seq: 8999, ack: 999 }, zeros(10)))]),
      ...connection(1),
      ...connection(2, { clientPort: 50_001 }).slice(1),
    ],
  },
  reconnected: {
    args: [],
    frames: [...connection(0), ...connection(1), ...connection(2, { reset: true }), ...connection(3, { answer: 10 })],
  },
  timeouts: {
    args: ['--timeout', 'udp=5s', '--timeout', 'single=2s', '--timeout', 'tcp.syn=1s', '--active-timeout', '30s'],
    frames: [
      ...LONG,
      ...question(110, 40_001),
      ...question(114, 40_001),
      ...question(119.1, 40_001),
      ...timed(
        [120, ip(CLIENT, SERVER, 6, tcp(1, 2, { flags: 'S' }))],
        [122, ip(CLIENT, SERVER, 6, tcp(1, 2, { flags: 'S' }))],
      ),
      ...question(130, 40_002).slice(0, 1),
      ...question(140, 40_003),
    ],
  },
  icmp: {
    args: [],
    frames: timed(
      [0, ip(CLIENT, SERVER, 1, icmp(8, 0, zeros(56), 1))],
      [0.01, ip(SERVER, CLIENT, 1, icmp(0, 0, zeros(56), 1))],
      [1, QUOTED],
      [1.01, ip('198.51.100.1', CLIENT, 1, icmp(11, 0, QUOTED.subarray(0, 28)))],
      [2, QUOTED6],
      [2.01, ip('2001:db8:ffff::1', CLIENT6, 58, icmp(1, 4, QUOTED6))],
      [3, ip('198.51.100.1', CLIENT, 1, icmp(3, 1, ip(CLIENT, '203.0.113.9', 17, udp(1, 2))))],
    ),
  },
  fragments: {
    args: [],
    frames: [
      ...timed(
        ...fragments4(CLIENT, SERVER, 17, udp(5000, 6000, zeros(2992)), 77, 1480).map(
          (part, k) => [k / 100, part] as const,
        ),
      ),
      ...reordered(
        timed(
          ...fragments6(CLIENT6, SERVER6, 17, udp(5000, 6000, zeros(2992)), 78, 1448).map(
            (part, k) => [1 + k / 100, part] as const,
          ),
        ),
        [2, 0, 1],
      ),
      // The first one is missing.
      ...timed([2, fragments4(SERVER, CLIENT, 17, udp(6000, 5000, zeros(2992)), 79, 1480)[1]]),
    ],
  },
  tunnels: {
    args: [],
    frames: timed(
      [0, ip('198.51.100.1', '198.51.100.2', 4, QUOTED)],
      [1, ip('198.51.100.1', '198.51.100.2', 47, gre(0x86dd, QUOTED6, 7))],
      [2, ip('198.51.100.1', '198.51.100.2', 17, udp(9999, 4789, vxlan(42, ethernet(QUOTED, { vlan: [9] }))))],
      [3, ip('2001:db8:f::1', '2001:db8:f::2', 47, gre(0x0800, ip('198.51.100.1', '198.51.100.2', 4, QUOTED), 8))],
      // Nothing that could be a packet is inside.
      [4, ip('198.51.100.1', '198.51.100.2', 4, zeros(30))],
    ),
  },
  'key-vlan-tos': {
    args: ['--key', 'vlan,tos'],
    frames: [
      ...question(0, 40_000),
      ...tagged(question(1, 40_000), [10]),
      ...tagged(question(2, 40_000), [10, 20]),
      ...timed([3, ipv4(CLIENT, SERVER, 17, udp(40_000, 53, zeros(30)), { tos: 0xb8 })]),
    ],
  },
  'track-ip': {
    args: ['--track', 'ip'],
    frames: [...connection(0), ...question(1, 40_000), ...question(2, 40_000, CLIENT6, SERVER6)],
  },
  unidirectional: { args: ['--unidirectional'], frames: [...connection(0), ...question(1, 40_000)] },
  'full-table': {
    args: ['--max-flows', '3'],
    frames: [
      ...question(0, 1),
      ...question(1, 2),
      ...question(2, 3),
      ...question(3, 1),
      ...question(4, 4),
      ...question(5, 5),
    ],
  },
  'other-protocols': {
    args: [],
    frames: timed(
      [0, ip(CLIENT, SERVER, 132, sctp(1000, 2905, zeros(20)))],
      [1, ip(CLIENT, SERVER, 50, esp(0xcafe, zeros(60)))],
      [2, ip(CLIENT, '224.0.0.5', 89, zeros(44))],
      [3, ip(CLIENT, SERVER, 136, udp(1000, 2000, zeros(5)))],
      [4, ip(CLIENT, SERVER, 254, zeros(5))],
    ),
  },
  'features-all': {
    args: ['--features', 'all'],
    frames: tagged(connection(0, { options: MSS_AND_SCALE, answer: 4200 }), [100]),
  },
  damaged: {
    args: [],
    frames: [
      ...question(0, 40_000),
      { at: 1, bytes: ethernet(ip(CLIENT, SERVER, 6, tcp(1, 2))).subarray(0, 30), wire: 54 },
      { at: 2, bytes: join(ethernet(ipv4(CLIENT, SERVER, 17, udp(1, 2, zeros(4)), { total: 900 }))) },
      { at: 3, bytes: join([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6], zeros(46)) },
      ...timed([4, ipv4(CLIENT, SERVER, 6, zeros(20))]),
      ...question(5, 40_000),
    ],
  },
  'sampled-and-scaled': { args: ['--sample', 'count:10', '--scale'], frames: LONG.slice(0, 40) },
};
