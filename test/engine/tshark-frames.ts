import { spawn } from 'node:child_process';
import { SocketAddress } from 'node:net';

/** An IP header that tshark found in a frame, and the transport header behind it. */
export interface Layer {
  version: 4 | 6;
  src: string;
  dst: string;
  /** What stands behind the header: `tcp`, `udp`, `sctp` or undefined. */
  transport?: 'tcp' | 'udp' | 'sctp';
  srcPort?: number;
  dstPort?: number;
  /** Length of the TCP header as it says itself. */
  tcpHeader?: number;
  /** Fragment: offset in bytes, whether more follow, id. */
  fragmentOffset: number;
  moreFragments: boolean;
  id: string;
  protocol: string;
  /** Names of the protocols between this header and the next one. */
  after: string[];
}

export interface SharkFrame {
  number: number;
  length: number;
  protocols: string[];
  /** Outermost first; headers that ICMP messages quote are not among them. */
  layers: Layer[];
  malformed: boolean;
  /** Community ID v1; absent where tshark makes none. */
  communityId?: string;
  /** tshark read another version of IP than the EtherType says. */
  misnamed: boolean;
}

/** A line of a conversation table: packets and, where tshark has not rounded them, bytes. */
export interface Conversation {
  a: string;
  b: string;
  /** From B to A. */
  backFrames: number;
  backBytes?: number;
  frames: number;
  bytes?: number;
  hasPorts: boolean;
}

export interface SharkFile {
  frames: SharkFrame[];
  /** By table: tcp, udp, sctp, ip, ipv6. */
  conversations: Record<string, Conversation[]>;
}

const FIELDS = [
  'frame.number',
  'frame.len',
  'frame.protocols',
  '_ws.malformed',
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.flags.mf',
  'ip.frag_offset',
  'ip.id',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.fraghdr.offset',
  'ipv6.fraghdr.more',
  'ipv6.fraghdr.ident',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.hdr_len',
  'udp.srcport',
  'udp.dstport',
  'sctp.srcport',
  'sctp.dstport',
  'communityid',
] as const;

export const TABLES = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp', IPv4: 'ip', IPv6: 'ipv6' } as const;

const PREFERENCES = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE', 'tcp.desegment_tcp_streams:FALSE'];

/** Runs tshark over a capture. Fragments stay apart, and nothing is put together across packets. */
export async function readWithTshark(file: string): Promise<SharkFile> {
  const args = ['-n', '--enable-protocol', 'communityid', '-r', file];
  for (const preference of PREFERENCES) args.push('-o', preference);
  args.push('-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', '-E', 'separator=/t');
  for (const field of FIELDS) args.push('-e', field);
  for (const table of Object.values(TABLES)) args.push('-z', `conv,${table}`);
  const text = await outputOf('tshark', args);
  const [rows, ...tables] = text.split(/^=+$/m);
  const frames = rows
    .split('\n')
    .filter((line) => line !== '')
    .map(frameOf);
  const conversations: SharkFile['conversations'] = {};
  for (const table of tables) {
    const name = /^\s*(\S+) Conversations/.exec(table)?.[1];
    if (name === undefined) continue;
    const lines = table.split('\n');
    conversations[TABLES[name as keyof typeof TABLES]] = lines.flatMap((line) =>
      conversationOf(line, !name.startsWith('IP')),
    );
  }
  return { frames, conversations };
}

function outputOf(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    // It ends with an error where the file is cut, and has told everything before.
    child.on('close', () => resolve(Buffer.concat(chunks).toString()));
  });
}

const LINE = /^(\S+) +<-> (\S+) +(\d+) ([-\d.]+) (\S+) +(\d+) ([-\d.]+) (\S+) /;

function conversationOf(line: string, hasPorts: boolean): Conversation[] {
  const match = LINE.exec(line);
  if (match === null) return [];
  const [, a, b, backFrames, backBytes, backUnit, frames, bytes, unit] = match;
  return [
    {
      a,
      b,
      hasPorts,
      backFrames: Number(backFrames),
      frames: Number(frames),
      // Negative: its sum ran over.
      ...(backUnit === 'bytes' && !backBytes.startsWith('-') ? { backBytes: Number(backBytes) } : {}),
      ...(unit === 'bytes' && !bytes.startsWith('-') ? { bytes: Number(bytes) } : {}),
    },
  ];
}

function frameOf(line: string): SharkFrame {
  const values = line.split('\t');
  const queues: Record<string, string[]> = {};
  for (const [k, name] of FIELDS.entries()) queues[name] = values[k] ? values[k].split(',') : [];
  const next = (name: (typeof FIELDS)[number]): string | undefined => queues[name].shift();
  const frame: SharkFrame = {
    number: Number(next('frame.number')),
    length: Number(next('frame.len')),
    protocols: (next('frame.protocols') ?? '').split(':').filter((name) => name !== 'communityid'),
    layers: [],
    malformed: queues['_ws.malformed'].length > 0,
    misnamed: false,
  };
  const communityId = next('communityid');
  if (communityId !== undefined) frame.communityId = communityId;
  for (const [k, name] of frame.protocols.entries()) {
    const layer = frame.layers.at(-1);
    if (name === 'icmp' || name === 'icmpv6') {
      layer?.after.push(name);
      break;
    }
    if (name === 'ip' || name === 'ipv6') {
      const src = next(`${name}.src`);
      const dst = next(`${name}.dst`);
      if (src === undefined || dst === undefined) {
        frame.misnamed ||= name === 'ip' && frame.protocols[k + 1] === 'ipv6';
        continue;
      }
      frame.layers.push({
        version: name === 'ip' ? 4 : 6,
        src: canonicalAddress(src),
        dst: canonicalAddress(dst),
        protocol: name === 'ip' ? (next('ip.proto') ?? '') : '',
        moreFragments: name === 'ip' && next('ip.flags.mf') === '1',
        fragmentOffset: name === 'ip' ? Number(next('ip.frag_offset')) : 0,
        id: name === 'ip' ? (next('ip.id') ?? '') : '',
        after: [],
      });
      continue;
    }
    if (layer === undefined) continue;
    layer.after.push(name);
    if (name === 'ipv6.fraghdr') {
      layer.fragmentOffset = Number(next('ipv6.fraghdr.offset')) * 8;
      layer.moreFragments = next('ipv6.fraghdr.more') === '1';
      layer.id = next('ipv6.fraghdr.ident') ?? '';
    }
    if ((name === 'tcp' || name === 'udp' || name === 'sctp') && layer.transport === undefined) {
      const srcPort = next(`${name}.srcport`);
      const dstPort = next(`${name}.dstport`);
      if (srcPort === undefined || dstPort === undefined) continue;
      layer.transport = name;
      layer.srcPort = Number(srcPort);
      if (name === 'tcp') layer.tcpHeader = Number(next('tcp.hdr_len') ?? 0);
      layer.dstPort = Number(dstPort);
    }
  }
  return frame;
}

/** One text for each IPv6 address, whoever wrote it. */
export function canonicalAddress(text: string): string {
  return text.includes(':') ? new SocketAddress({ address: text, family: 'ipv6' }).address : text;
}
