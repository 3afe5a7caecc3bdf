import { type Batch, MAX_VLAN_DEPTH, Mark } from './batch.js';
import { KeyKind, type KeyOptions, type KeyPart } from './key.js';

/**
 * Which of two address words comes first: negative if the source, positive if the destination, 0 if they are equal. The
 * sign of their wrapped difference, as that needs no branch (plain.ts); not a total order, but the same both ways.
 */
function addressOrder(source: number, destination: number): number {
  const difference = (source - destination) | 0;
  return difference === -0x80000000 ? (source > destination ? 1 : -1) : difference;
}

/** Takes two words of an address pair into the keyed hash that chooses the shard; the same for both directions. */
export function mixPair(mixed: number, seed: number, source: number, destination: number): number {
  const s = Math.imul(source ^ seed, 0x85ebca6b);
  const d = Math.imul(destination ^ seed, 0x85ebca6b);
  return Math.imul(mixed ^ ((s ^ (s >>> 15)) + (d ^ (d >>> 15))), 0x9e3779b1);
}

/** Shard of a mixed address pair. */
export function shardOf(mixed: number, shards: number): number {
  const h = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return ((h >>> 16) * shards) >>> 16;
}

/**
 * Makes the flow key of a packet from its IP header and ports: endpoints in canonical order (the lower one is A), so that
 * both directions have the same key (RFC 5103 biflow), and the additional parts that `--key` asks for.
 */
export class KeyMaker {
  private readonly base: KeyOptions['base'];
  private readonly extra: readonly KeyPart[];
  private readonly bidirectional: boolean;
  readonly shard: number;
  readonly shards: number;
  readonly seed: number;

  constructor(key: KeyOptions, shard: number, shards: number, seed: number) {
    this.base = key.base;
    this.extra = key.extra;
    this.bidirectional = !key.unidirectional;
    this.shard = shard;
    this.shards = shards;
    this.seed = seed;
  }

  /**
   * True if the address pair of the IP header at `ip` belongs to this shard. Only addresses decide, so that both directions
   * and all fragments of a flow meet in one shard. At least the addresses must have been captured.
   */
  isOurs(view: DataView, ip: number, version: number): boolean {
    if (this.shards === 1) return true;
    const { seed } = this;
    let mixed = seed;
    if (version === 4) mixed = mixPair(mixed, seed, view.getInt32(ip + 12), view.getInt32(ip + 16));
    else
      for (let k = 8; k < 24; k += 4) mixed = mixPair(mixed, seed, view.getInt32(ip + k), view.getInt32(ip + k + 16));
    return shardOf(mixed, this.shards) === this.shard;
  }

  /** Completes the key columns of packet i; `ports` and `meta` come in packet order from `readTransport`. */
  make(batch: Batch, i: number, ip: number, version: number): void {
    const { view } = batch;
    if (this.base !== 'port') {
      batch.ports[i] = 0;
      batch.meta[i] = this.base === 'ip' ? (version << 8) | KeyKind.anyProtocol : batch.meta[i] & 0xffff;
      // Such flows are not connections: nothing of what follows single ones applies.
      batch.marks[i] &= ~(Mark.icmpReply | Mark.tcp);
      batch.tcpFlags[i] = 0;
    }
    let order: number;
    if (version === 4) {
      const source = view.getInt32(ip + 12);
      const destination = view.getInt32(ip + 16);
      order = addressOrder(source, destination);
      const swap = this.swaps(batch, i, order);
      batch.a0[i] = swap ? destination : source;
      batch.b0[i] = swap ? source : destination;
    } else {
      batch.marks[i] |= Mark.ipv6;
      order = 0;
      for (let k = 0; k < 16 && order === 0; k += 4) {
        const s = view.getInt32(ip + 8 + k);
        const d = view.getInt32(ip + 24 + k);
        order = addressOrder(s, d);
      }
      const swap = this.swaps(batch, i, order);
      const a = ip + (swap ? 24 : 8);
      const b = ip + (swap ? 8 : 24);
      batch.a0[i] = view.getInt32(a);
      batch.a1[i] = view.getInt32(a + 4);
      batch.a2[i] = view.getInt32(a + 8);
      batch.a3[i] = view.getInt32(a + 12);
      batch.b0[i] = view.getInt32(b);
      batch.b1[i] = view.getInt32(b + 4);
      batch.b2[i] = view.getInt32(b + 8);
      batch.b3[i] = view.getInt32(b + 12);
    }
    if (batch.keyWords > 0) this.addExtra(batch, i);
  }

  /** Decides the direction by address order, ports as tie break, and turns the ports round where A is the destination. */
  private swaps(batch: Batch, i: number, order: number): boolean {
    const meta = batch.meta[i];
    const ports = batch.ports[i];
    const hasPorts = (meta & KeyKind.ports) !== 0;
    const swap = this.bidirectional && (order > 0 || (order === 0 && hasPorts && ports >>> 16 > (ports & 0xffff)));
    if (swap && hasPorts) batch.ports[i] = (ports << 16) | (ports >>> 16);
    // The answer comes from who was asked; where a host asks itself, only that tells the two directions apart.
    const answer = (batch.marks[i] & Mark.icmpReply) !== 0;
    if (swap === answer || order === 0) batch.meta[i] = meta & ~KeyKind.reversed;
    batch.direction[i] = swap || (order === 0 && answer && this.bidirectional) ? 1 : 0;
    return swap;
  }

  private addExtra(batch: Batch, i: number): void {
    const { keyExtra } = batch;
    let at = i * batch.keyWords;
    for (const part of this.extra) {
      switch (part) {
        case 'vlan': {
          const depth = batch.vlanDepth[i];
          const first = i * MAX_VLAN_DEPTH;
          const outer = depth > 0 ? batch.vlan[first] + 1 : 0;
          const inner = depth > 1 ? batch.vlan[first + 1] + 1 : 0;
          keyExtra[at++] = (outer << 16) | inner;
          break;
        }
        case 'mac': {
          const mac = batch.mac[i];
          const forward = batch.direction[i] === 0;
          const sender = mac + (forward ? 6 : 0);
          const receiver = mac + (forward ? 0 : 6);
          keyExtra[at++] = mac !== 0 ? batch.view.getInt32(sender) : 0;
          keyExtra[at++] = mac !== 0 ? (batch.view.getUint16(sender + 4) << 16) | batch.view.getUint16(receiver) : 0;
          keyExtra[at++] = mac !== 0 ? batch.view.getInt32(receiver + 2) : 0;
          break;
        }
        case 'dscp':
          keyExtra[at++] = batch.tos[i] >>> 2;
          break;
        case 'tos':
          keyExtra[at++] = batch.tos[i];
          break;
        case 'interface':
          keyExtra[at++] = batch.iface[i];
          break;
        case 'mpls':
          keyExtra[at++] = batch.mplsDepth[i] > 0 ? batch.mplsTop[i] + 1 : 0;
          break;
        case 'tunnel': {
          const inside = (batch.marks[i] & Mark.tunnelled) !== 0;
          keyExtra[at++] = inside ? batch.tunnel[i] : 0;
          keyExtra[at++] = inside ? batch.tunnelId[i] : 0;
          break;
        }
        case 'flowLabel':
          keyExtra[at++] = batch.flowLabel[i];
          break;
      }
    }
  }
}
