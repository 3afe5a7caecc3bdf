import { type Batch, Mark } from './batch.js';
import { ipv4ChecksumOk, transportChecksumOk } from './checksum.js';
import { type HashSeed, hashAnyKeys, type KeyHasher, keyHasher } from './hash.js';
import { DEFAULT_KEY, type KeyOptions } from './key.js';
import { KeyMaker } from './key-maker.js';
import { ethernet, linkParser } from './link/index.js';
import { type PlainDecoder, plainDecoder } from './plain.js';
import { NOTICE_NAMES, Notice, REFUSAL_NAMES, Refusal } from './refusal.js';
import { dropOtherShards } from './shard-select.js';
import { mpls, pppoeSession, vlan } from './tags.js';
import { Protocol, readTransport } from './transport.js';
import { TUNNEL_NAMES, Tunnel, type TunnelName } from './tunnel.js';
import { gre, UDP_TUNNELS } from './tunnels/index.js';
import { EtherType, type LinkParser, type TunnelParser, Walk } from './walk.js';

/** Tunnels inside tunnels that are followed. */
const MAX_TUNNEL_DEPTH = 4;
const MAX_EXTENSION_HEADERS = 12;

export interface DecoderOptions {
  key?: KeyOptions;
  /** Tunnels to look into. */
  tunnels?: readonly TunnelName[];
  /** Verify IPv4, TCP and UDP checksums. */
  checksums?: boolean;
  /** This decoder's share of the address pairs: shard `shard` of `shards`. */
  shard?: number;
  shards?: number;
  seed: HashSeed;
  /** False: for packets that come one by one; none goes the short way. */
  plain?: boolean;
}

/**
 * Turns frames into the columns of a batch: link layer, VLAN, MPLS, PPPoE, IP, tunnels, transport, flow key and its hash.
 * One verdict a packet; damage is counted, nothing throws. Every length is checked once before the bytes are read.
 */
export class Decoder {
  /** Packets by verdict (index: `Refusal`); index 0 counts those that were decoded. */
  readonly verdicts: Float64Array = new Float64Array(REFUSAL_NAMES.length);
  /** By `Notice`. */
  readonly notices: Float64Array = new Float64Array(NOTICE_NAMES.length);

  readonly options: DecoderOptions;
  readonly batch: Batch;

  private readonly keys: KeyMaker;
  private readonly checksums: boolean;
  private readonly seed: HashSeed;
  private readonly parsers = new Map<number, LinkParser | undefined>();
  private lastLink = -1;
  private lastParser: LinkParser | undefined;
  private readonly ipTunnels: boolean;
  private readonly greTunnels: Uint8Array;
  private readonly udpParsers: (TunnelParser | undefined)[] = [undefined];
  private readonly udpKinds: number[] = [Tunnel.none];
  /** Port → index in `udpParsers`; 0 = no tunnel. */
  private readonly udpPorts = new Uint8Array(65536);
  private readonly walk: Walk;
  /** The short way, if it may be taken. */
  private readonly decodePlain: PlainDecoder | undefined;
  private readonly hashKeys: KeyHasher;
  private readonly left: Int32Array;
  /** Bits of `Notice` for the packet in hand. */
  private noticed = 0;
  /** The packet's addresses were read and are this shard's: what becomes of it is counted here. */
  private attributed = false;
  /** False while a packet is decoded again without its tunnel. */
  private lookInside = true;
  /** The packet is part of a fragmented outer packet: inner lengths may exceed what is there. */
  private insideFragment = false;

  constructor(batch: Batch, options: DecoderOptions) {
    this.options = options;
    this.batch = batch;
    this.walk = new Walk(batch);
    this.seed = options.seed;
    this.checksums = options.checksums ?? false;
    const { base, extra, unidirectional } = options.key ?? DEFAULT_KEY;
    const usualKey = base === 'port' && extra.length === 0 && !unidirectional;
    this.left = new Int32Array(batch.capacity);
    this.keys = new KeyMaker(options.key ?? DEFAULT_KEY, options.shard ?? 0, options.shards ?? 1, options.seed[0]);
    const wanted = new Set<string>(
      options.tunnels ?? TUNNEL_NAMES.filter((name) => name !== 'none' && name !== 'l2tp'),
    );
    this.ipTunnels = wanted.has('ipip');
    this.greTunnels = Uint8Array.from(TUNNEL_NAMES, (name) => (wanted.has(name) ? 1 : 0));
    for (const { port, tunnel, parser } of UDP_TUNNELS) {
      if (!wanted.has(TUNNEL_NAMES[tunnel])) continue;
      this.udpPorts[port] = this.udpParsers.push(parser) - 1;
      this.udpKinds.push(tunnel);
    }
    const { left, keys, udpPorts, verdicts, seed } = this;
    const short = usualKey && !this.checksums && options.plain !== false;
    this.decodePlain = short ? plainDecoder(batch, udpPorts, keys, left, verdicts) : undefined;
    this.hashKeys = options.plain === false ? (from, to) => hashAnyKeys(batch, from, to, seed) : keyHasher(batch, seed);
  }

  /** With several shards: drops what is plainly another shard's from a batch that was just filled, and counts it. */
  dropOtherShards(tickNanos: number): void {
    // A wrong checksum of the IP header is found before the addresses are believed.
    if (this.keys.shards === 1 || this.checksums) return;
    this.verdicts[Refusal.otherShard] += dropOtherShards(this.batch, this.keys, this.udpPorts, tickNanos);
  }

  /** Decodes packets [from, to) of its batch whose verdict is 0 (filter and sampling have set others). */
  decode(from: number, to: number): void {
    const { batch, left } = this;
    if (this.decodePlain !== undefined) {
      const count = this.decodePlain(from, to);
      for (let k = 0; k < count; k++) this.packet(batch, left[k]);
    } else for (let i = from; i < to; i++) this.packet(batch, i);
    this.hashKeys(from, to);
  }

  private countNotices(result: number): void {
    for (let notice = 0; result !== Refusal.otherShard && notice < NOTICE_NAMES.length; notice++) {
      if ((this.noticed & (1 << notice)) !== 0) this.notices[notice]++;
    }
    this.noticed = 0;
  }

  /** One packet, whatever it is. */
  private packet(batch: Batch, i: number): void {
    let result = batch.verdict[i];
    this.insideFragment = false;
    this.attributed = (this.options.shard ?? 0) === 0;
    if (result === 0) {
      batch.marks[i] = 0;
      batch.tcpFlags[i] = 0;
      batch.flowLabel[i] = 0;
      batch.vlanDepth[i] = 0;
      batch.mplsDepth[i] = 0;
      batch.mac[i] = 0;
      result = this.frame(batch, i);
      batch.verdict[i] = result;
    }
    if (result !== 0 && !this.attributed) {
      // Refused before an address was known: all shards see that, the first one counts it.
      result = Refusal.otherShard;
      batch.verdict[i] = result;
    }
    this.verdicts[result]++;
    if (this.noticed !== 0) this.countNotices(result);
  }

  /** Hashes the key of one packet of any batch again, after a stage has completed it. */
  rehash(batch: Batch, i: number): void {
    hashAnyKeys(batch, i, i + 1, this.seed);
  }

  /** A frame of any link type, from its first byte. */
  private frame(batch: Batch, i: number): number {
    const walk = this.walk;
    const link = batch.link[i];
    if (link !== this.lastLink) {
      if (!this.parsers.has(link)) this.parsers.set(link, linkParser(link));
      this.lastParser = this.parsers.get(link);
      this.lastLink = link;
    }
    if (this.lastParser === undefined) return Refusal.notIp;
    walk.batch = batch;
    walk.view = batch.view;
    walk.index = i;
    walk.pos = batch.offset[i];
    walk.end = walk.pos + batch.captured[i];
    walk.wireEnd = walk.pos + batch.wire[i];
    const refused = this.lastParser(walk);
    return refused !== 0 ? refused : this.network(batch, i, 0);
  }

  /** What stands at `walk.pos`, through tags and labels down to IP. */
  private network(batch: Batch, i: number, depth: number): number {
    const walk = this.walk;
    for (let step = 0; step < 32; step++) {
      switch (walk.etherType) {
        case EtherType.ipv4:
          return this.ipv4(batch, i, walk.pos, walk.end, walk.wireEnd, depth);
        case EtherType.ipv6:
          return this.ipv6(batch, i, walk.pos, walk.end, walk.wireEnd, depth);
        case EtherType.vlan:
        case EtherType.serviceVlan:
        case EtherType.vlan9100:
        case EtherType.vlan9200: {
          const refused = vlan(walk);
          if (refused !== 0) return refused;
          break;
        }
        case EtherType.mpls:
        case EtherType.mplsMulticast: {
          const refused = mpls(walk);
          if (refused !== 0) return refused;
          break;
        }
        case EtherType.pppoeSession: {
          const refused = pppoeSession(walk);
          if (refused !== 0) return refused;
          break;
        }
        case EtherType.ethernet: {
          batch.vlanDepth[i] = 0;
          batch.mplsDepth[i] = 0;
          const refused = ethernet(walk);
          if (refused !== 0) return refused;
          break;
        }
        default:
          return Refusal.notIp;
      }
    }
    return Refusal.tooDeep;
  }

  private ipv4(batch: Batch, i: number, pos: number, end: number, wireEnd: number, depth: number): number {
    const view = batch.view;
    if (end - pos < 20) return Refusal.networkShort;
    const first = view.getUint8(pos);
    const header = (first & 15) << 2;
    if (first >>> 4 !== 4 || header < 20) return Refusal.networkMalformed;
    let total = view.getUint16(pos + 2);
    const there = wireEnd - pos;
    if (total === 0) {
      total = there;
      this.noticed |= 1 << Notice.lengthZero;
    } else if (total > there && !this.insideFragment) {
      total = there;
      this.noticed |= 1 << Notice.lengthBeyondFrame;
    }
    if (total < header) return Refusal.networkMalformed;
    const realEnd = pos + total;
    const capturedEnd = end < realEnd ? end : realEnd;
    if (this.checksums && end - pos >= header && !ipv4ChecksumOk(view, pos, header)) return Refusal.checksum;
    batch.network[i] = pos;
    batch.octets[i] = total;
    batch.tos[i] = view.getUint8(pos + 1);
    batch.ttl[i] = view.getUint8(pos + 8);
    const protocol = view.getUint8(pos + 9);
    const fragment = view.getUint16(pos + 6) & 0x3fff;
    if (fragment !== 0) {
      batch.fragmentId[i] = view.getUint16(pos + 4);
      batch.fragmentOffset[i] = (fragment & 0x1fff) << 3;
      batch.marks[i] |= (fragment & 0x1fff) === 0 ? Mark.fragmentFirst : Mark.fragmentLater;
    }
    return this.upper(batch, i, protocol, 4, pos, pos + header, capturedEnd, realEnd, depth);
  }

  private ipv6(batch: Batch, i: number, pos: number, end: number, wireEnd: number, depth: number): number {
    const view = batch.view;
    if (end - pos < 40) return Refusal.networkShort;
    const first = view.getUint32(pos);
    if (first >>> 28 !== 6) return Refusal.networkMalformed;
    const payload = view.getUint16(pos + 4);
    let next = view.getUint8(pos + 6);
    let total = payload + 40;
    const there = wireEnd - pos;
    if (payload === 0 && next !== Protocol.noNext) {
      if (next === 0) return Refusal.jumbogram;
      total = there;
      if (total > 40) this.noticed |= 1 << Notice.lengthZero;
    } else if (total > there && !this.insideFragment) {
      total = there;
      this.noticed |= 1 << Notice.lengthBeyondFrame;
    }
    const realEnd = pos + total;
    const capturedEnd = end < realEnd ? end : realEnd;
    batch.network[i] = pos;
    batch.octets[i] = total;
    batch.tos[i] = (first >>> 20) & 0xff;
    batch.ttl[i] = view.getUint8(pos + 7);
    batch.flowLabel[i] = first & 0xfffff;
    let at = pos + 40;
    // Extension headers (RFC 8200 §4); TCP and UDP, the usual case, need none of this.
    for (let count = 0; next !== Protocol.tcp && next !== Protocol.udp; count++) {
      if (next === 44) {
        if (capturedEnd - at < 8) return realEnd - at < 8 ? Refusal.networkMalformed : Refusal.networkShort;
        const field = view.getUint16(at + 2);
        next = view.getUint8(at);
        if ((field & 0xfff9) !== 0) {
          // Not an atomic fragment (RFC 6946).
          batch.fragmentId[i] = view.getInt32(at + 4);
          batch.fragmentOffset[i] = field & 0xfff8;
          batch.marks[i] |= (field & 0xfff8) === 0 ? Mark.fragmentFirst : Mark.fragmentLater;
          at += 8;
          if ((field & 0xfff8) !== 0) break; // what follows is not a header
          continue;
        }
        at += 8;
        continue;
      }
      const isAh = next === Protocol.ah;
      if (!isAh && next !== 0 && next !== 43 && next !== 60 && next !== 135 && next !== 139 && next !== 140) break;
      if (count === MAX_EXTENSION_HEADERS) return Refusal.tooDeep;
      if (isAh && !visibleBehindAh(view, at, capturedEnd)) break;
      if (capturedEnd - at < 8) return realEnd - at < 8 ? Refusal.networkMalformed : Refusal.networkShort;
      const length = isAh ? (view.getUint8(at + 1) + 2) << 2 : (view.getUint8(at + 1) + 1) << 3;
      next = view.getUint8(at);
      at += length;
      if (at > realEnd) return Refusal.networkMalformed;
    }
    return this.upper(batch, i, next, 6, pos, at, capturedEnd, realEnd, depth);
  }

  /** Behind the IP header at `ip`: tunnels, then the transport header and the flow key. */
  private upper(
    batch: Batch,
    i: number,
    protocol: number,
    version: number,
    ip: number,
    pos: number,
    end: number,
    realEnd: number,
    depth: number,
  ): number {
    const { keys } = this;
    const marks = batch.marks[i];
    if (protocol === Protocol.tcp) {
      if (depth === 0 && !keys.isOurs(batch.view, ip, version)) return Refusal.otherShard;
    } else if (protocol === Protocol.ah && version === 4 && (marks & Mark.fragmentLater) === 0) {
      if (visibleBehindAh(batch.view, pos, end)) {
        const length = (batch.view.getUint8(pos + 1) + 2) << 2;
        return this.upper(batch, i, batch.view.getUint8(pos), 4, ip, pos + length, end, realEnd, depth);
      }
    } else if (this.lookInside && depth < MAX_TUNNEL_DEPTH && (marks & Mark.fragmentLater) === 0) {
      const kind = this.enterTunnel(batch, i, protocol, pos, end, realEnd);
      if (kind !== Tunnel.none) return this.inside(batch, i, kind, ip, depth);
    }
    const isLater = (marks & Mark.fragmentLater) !== 0;
    if (isLater) laterFragment(batch, i, protocol, version, pos, end, realEnd);
    const refused = isLater ? 0 : readTransport(batch, i, protocol, version, pos, end, realEnd);
    keys.make(batch, i, ip, version);
    // Inside a tunnel a refusal counts before the shard: all shards then fall back to the outer packet alike.
    const ours = keys.isOurs(batch.view, ip, version);
    if (depth === 0) {
      if (!ours) return Refusal.otherShard;
      this.attributed = true;
    }
    if (refused !== 0) return refused;
    const whole = end === realEnd && (this.noticed & (1 << Notice.lengthBeyondFrame)) === 0;
    if (this.checksums && whole && (marks & (Mark.fragmentFirst | Mark.fragmentLater)) === 0) {
      if (!transportChecksumOk(batch.view, ip, version, protocol, pos, realEnd)) return Refusal.checksum;
    }
    if (!ours) return Refusal.otherShard;
    this.attributed = true;
    if ((batch.marks[i] & Mark.cut) !== 0) this.noticed |= 1 << Notice.headerCut;
    return 0;
  }

  /** Tries the tunnel parsers; returns the tunnel that was entered, with the walk at the inner header. */
  private enterTunnel(batch: Batch, i: number, protocol: number, pos: number, end: number, realEnd: number): number {
    const walk = this.walk;
    let udp = 0;
    if (protocol === Protocol.udp) {
      if (end - pos < 8) return Tunnel.none;
      udp = this.udpPorts[batch.view.getUint16(pos + 2)] || this.udpPorts[batch.view.getUint16(pos)];
      if (udp === 0) return Tunnel.none;
    } else if (protocol !== Protocol.ipip && protocol !== Protocol.ipv6 && protocol !== Protocol.gre)
      return Tunnel.none;
    walk.batch = batch;
    walk.index = i;
    walk.view = batch.view;
    walk.end = end;
    walk.wireEnd = realEnd;
    walk.pos = pos;
    if (udp !== 0) {
      walk.pos = pos + 8;
      // Up to the end of the datagram by UDP's length, also where this is only its first fragment.
      const length = batch.view.getUint16(pos + 4);
      if (length >= 8 && (pos + length < realEnd || (batch.marks[i] & Mark.fragmentFirst) !== 0)) {
        walk.wireEnd = pos + length;
        if (end > walk.wireEnd) walk.end = walk.wireEnd;
      }
      const parser = this.udpParsers[udp] as TunnelParser;
      return parser(walk) ? this.udpKinds[udp] : Tunnel.none;
    }
    if (protocol === Protocol.gre) {
      const outerId = batch.tunnelId[i];
      const kind = gre(walk);
      if (this.greTunnels[kind] === 1) return kind;
      batch.tunnelId[i] = outerId;
      return Tunnel.none;
    }
    if (!this.ipTunnels) return Tunnel.none;
    walk.etherType = protocol === Protocol.ipip ? EtherType.ipv4 : EtherType.ipv6;
    return Tunnel.ipip;
  }

  /** Decodes the packet inside a tunnel; where that is not IP, the packet is metered as the tunnel's own flow. */
  private inside(batch: Batch, i: number, kind: number, ip: number, depth: number): number {
    let marks = batch.marks[i];
    if ((marks & Mark.fragmentFirst) !== 0) {
      batch.outer[i] = ip;
      batch.outerId[i] = batch.fragmentId[i];
      marks = (marks & ~Mark.fragmentFirst) | Mark.outerFragment;
      this.insideFragment = true;
    }
    batch.marks[i] = marks | Mark.tunnelled;
    batch.tunnel[i] = kind;
    if (kind === Tunnel.ipip) batch.tunnelId[i] = 0;
    const wasInside = depth > 0;
    const result = this.network(batch, i, depth + 1);
    if (wasInside) return result;
    this.insideFragment = false;
    if (result === 0 || result === Refusal.otherShard || result === Refusal.tooDeep) return result;
    this.lookInside = false;
    batch.marks[i] = 0;
    batch.vlanDepth[i] = 0;
    batch.mplsDepth[i] = 0;
    batch.flowLabel[i] = 0;
    batch.tcpFlags[i] = 0;
    this.noticed = 1 << Notice.tunnelContent;
    const again = this.frame(batch, i);
    this.lookInside = true;
    return again;
  }
}

/** A later fragment: all of it is payload; its ports are those of the first one, which the meter knows. */
function laterFragment(
  batch: Batch,
  i: number,
  protocol: number,
  version: number,
  pos: number,
  end: number,
  realEnd: number,
): void {
  batch.ports[i] = 0;
  batch.meta[i] = protocol | (version << 8);
  batch.transport[i] = 0;
  batch.payload[i] = pos;
  batch.payloadLength[i] = realEnd - pos;
  batch.payloadCaptured[i] = end > pos ? end - pos : 0;
}

/** True if a protocol that has a flow key of its own can be read behind the authentication header (RFC 4302) at `pos`. */
function visibleBehindAh(view: DataView, pos: number, end: number): boolean {
  if (end - pos < 12) return false;
  const length = (view.getUint8(pos + 1) + 2) << 2;
  if (length < 12 || end - pos < length + 4) return false;
  switch (view.getUint8(pos)) {
    case Protocol.tcp:
    case Protocol.udp:
    case Protocol.icmp:
    case Protocol.icmp6:
    case Protocol.sctp:
    case Protocol.dccp:
    case Protocol.udplite:
    case Protocol.esp:
    case Protocol.ipip:
    case Protocol.ipv6:
    case Protocol.gre:
      return true;
    default:
      return false;
  }
}
