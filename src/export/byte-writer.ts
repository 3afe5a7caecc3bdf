/** Text into a preallocated buffer, as ASCII bytes, without strings where it can be helped. */
const DIGIT_0 = 48;
const HEX = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));
const BASE64 = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', (c) =>
  c.charCodeAt(0),
);

/** A text of ASCII characters as bytes, for `ByteWriter.raw`. */
export function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

export class ByteWriter {
  bytes: Buffer;
  /** Where the next byte goes. */
  pos = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  /** Makes room for `count` more bytes. The calls below do not check: reserve first. */
  reserve(count: number): void {
    if (this.pos + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.pos + count));
    this.bytes.copy(larger, 0, 0, this.pos);
    this.bytes = larger;
  }

  byte(code: number): void {
    this.bytes[this.pos++] = code;
  }

  raw(text: Uint8Array): void {
    const { bytes } = this;
    let pos = this.pos;
    for (let k = 0; k < text.length; k++) bytes[pos++] = text[k];
    this.pos = pos;
  }

  /** Bytes [from, to) of `source`. */
  range(source: Uint8Array, from: number, to: number): void {
    const { bytes } = this;
    let pos = this.pos;
    for (let k = from; k < to; k++) bytes[pos++] = source[k];
    this.pos = pos;
  }

  /** Any text as UTF-8; makes its own room. */
  text(text: string): void {
    this.reserve(text.length * 3);
    this.pos += this.bytes.write(text, this.pos, 'utf8');
  }

  /** Whole number 0…2^53 in decimal. */
  decimal(value: number): void {
    if (value < 10) {
      this.bytes[this.pos++] = DIGIT_0 + value;
      return;
    }
    if (value > 0xffffffff) {
      const high = Math.floor(value / 1e9);
      this.decimal(high);
      this.padded(value - high * 1e9, 9);
      return;
    }
    let width = 2;
    for (let limit = 100; width < 10 && value >= limit; limit *= 10) width++;
    this.padded(value, width);
  }

  /** Whole number below 2^32 in exactly `width` digits. */
  padded(value: number, width: number): void {
    const { bytes } = this;
    let rest = value >>> 0;
    for (let at = this.pos + width - 1; at >= this.pos; at--) {
      const quotient = (rest / 10) >>> 0;
      bytes[at] = DIGIT_0 + (rest - quotient * 10);
      rest = quotient;
    }
    this.pos += width;
  }

  /** 32-bit word as 8 hexadecimal digits. */
  hex8(word: number): void {
    const { bytes } = this;
    let pos = this.pos;
    for (let shift = 28; shift >= 0; shift -= 4) bytes[pos++] = HEX[(word >>> shift) & 15];
    this.pos = pos;
  }

  /** 16-bit group of an IPv6 address: no leading zeros. */
  hexGroup(group: number): void {
    const { bytes } = this;
    let pos = this.pos;
    if (group > 0xfff) bytes[pos++] = HEX[group >>> 12];
    if (group > 0xff) bytes[pos++] = HEX[(group >>> 8) & 15];
    if (group > 0xf) bytes[pos++] = HEX[(group >>> 4) & 15];
    bytes[pos++] = HEX[group & 15];
    this.pos = pos;
  }

  /** 20 bytes, given as five words, in base64. */
  base64Digest(words: Int32Array): void {
    const { bytes } = this;
    let pos = this.pos;
    // 18 bytes are six groups of three; the last two make three digits and the padding.
    for (let k = 0; k < 18; k += 3) {
      const group = (byteOf(words, k) << 16) | (byteOf(words, k + 1) << 8) | byteOf(words, k + 2);
      bytes[pos++] = BASE64[group >>> 18];
      bytes[pos++] = BASE64[(group >>> 12) & 63];
      bytes[pos++] = BASE64[(group >>> 6) & 63];
      bytes[pos++] = BASE64[group & 63];
    }
    const last = words[4] & 0xffff;
    bytes[pos++] = BASE64[last >>> 10];
    bytes[pos++] = BASE64[(last >>> 4) & 63];
    bytes[pos++] = BASE64[(last & 15) << 2];
    bytes[pos++] = 61;
    this.pos = pos;
  }
}

function byteOf(words: Int32Array, k: number): number {
  return (words[k >> 2] >>> (24 - (k & 3) * 8)) & 0xff;
}
