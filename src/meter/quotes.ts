import { QUOTE_WORDS } from '../model/record-batch.js';
import { Batch, Mark } from '../packet/batch.js';
import { Decoder } from '../packet/decoder.js';

/** Quoted keys kept at one time; flows of ICMP errors beyond that do not say what they are about. */
const MOST_QUOTES = 65536;
const LINKTYPE_RAW = 101;

/** Reads what ICMP errors quote (RFC 792, 4443 §2.4c: the IP header of the packet in question and what followed it). */
export class Quotes {
  /** The quoted packet, decoded: one packet. */
  readonly batch: Batch;
  /** Decodes as the packets' decoder does, with counters of its own, and for all shards. */
  private readonly decoder: Decoder;
  private readonly keys = new Map<number, Int32Array>();

  constructor(decoder: Decoder, keyWords: number) {
    this.batch = new Batch({ capacity: 1, keyWords });
    this.decoder = new Decoder(this.batch, { ...decoder.options, checksums: false, shard: 0, shards: 1, plain: false });
  }

  /** Decodes what packet i quotes into `batch`; false if that has no flow key. */
  read(from: Batch, i: number): boolean {
    const { batch } = this;
    const at = from.quote[i];
    const captured = from.offset[i] + from.captured[i] - at;
    if (captured < 20) return false;
    batch.attach(from.bytes, from.view);
    batch.count = 1;
    batch.offset[0] = at;
    batch.captured[0] = captured;
    // The quoted packet's own length counts, not what is left of it.
    batch.wire[0] = 0x40000;
    batch.seconds[0] = from.seconds[i];
    batch.nanos[0] = from.nanos[i];
    batch.iface[0] = from.iface[i];
    batch.link[0] = LINKTYPE_RAW;
    batch.verdict[0] = 0;
    this.decoder.decode(0, 1);
    return batch.verdict[0] === 0 && (batch.marks[0] & Mark.fragmentLater) === 0;
  }

  /** Remembers the quoted key for the ICMP flow in this row. False if too many are kept. */
  keep(row: number): boolean {
    if (this.keys.size >= MOST_QUOTES) return false;
    const { batch } = this;
    const key = new Int32Array(QUOTE_WORDS);
    key[0] = batch.a0[0];
    key[4] = batch.b0[0];
    if ((batch.marks[0] & Mark.ipv6) !== 0) {
      key.set([batch.a1[0], batch.a2[0], batch.a3[0]], 1);
      key.set([batch.b1[0], batch.b2[0], batch.b3[0]], 5);
    }
    key[8] = batch.ports[0];
    key[9] = batch.meta[0];
    key[10] = batch.direction[0];
    this.keys.set(row, key);
    return true;
  }

  /** The key of a row that lives. */
  get(row: number): Int32Array | undefined {
    return this.keys.get(row);
  }

  /** Takes the key of a row that ends. */
  take(row: number): Int32Array | undefined {
    const key = this.keys.get(row);
    if (key !== undefined) this.keys.delete(row);
    return key;
  }
}
