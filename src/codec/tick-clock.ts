/** Largest power of ten that is below 2^32: 16-bit digits times it, plus a remainder, stay exact in a double. */
const MAX_DIVISOR_EXPONENT = 9;

/**
 * Turns 64-bit timestamps of a pcapng interface into seconds and nanoseconds, exactly and without BigInt: the arithmetic
 * is done in doubles on parts that stay below 2^53. What is finer than a nanosecond is cut off.
 * `if_tsresol`, `if_tsoffset`: draft-ietf-opsawg-pcapng, section on the interface description block.
 */
export class TickClock {
  /** Result of `set`: whole seconds since 1970, and nanoseconds. */
  seconds = 0;
  nanos = 0;

  /** Exponent of the resolution, and whether its base is 2. */
  private readonly exponent: number;
  private readonly binary: boolean;
  private readonly offset: number;
  /** Ticks a second, for decimal resolutions down to a nanosecond. */
  private readonly perSecond: number;
  private readonly nanosPerTick: number;
  /** Quotient of the last `divide`: two 32-bit words. */
  private high = 0;
  private low = 0;

  /**
   * @param resolution the octet `if_tsresol`: bit 7 set means a power of 2, else of 10; 6 = microseconds is the default
   * @param offset `if_tsoffset`, in seconds
   */
  constructor(resolution: number, offset: number) {
    this.binary = (resolution & 0x80) !== 0;
    this.exponent = resolution & 0x7f;
    this.offset = offset;
    const coarse = Math.min(this.exponent, MAX_DIVISOR_EXPONENT);
    this.perSecond = 10 ** coarse;
    this.nanosPerTick = 10 ** (MAX_DIVISOR_EXPONENT - coarse);
  }

  /** Sets `seconds` and `nanos`. Returns false if the time is outside 1970 … 2106, which 32-bit seconds hold. */
  set(high: number, low: number): boolean {
    if (this.binary) this.setBinary(high, low);
    else if (this.exponent <= MAX_DIVISOR_EXPONENT) this.setDecimal(high, low);
    else this.setFine(high, low);
    this.seconds += this.offset;
    return this.seconds >= 0 && this.seconds <= 0xffffffff;
  }

  private setDecimal(high: number, low: number): void {
    const { perSecond } = this;
    if (high < 0x200000) {
      const ticks = high * 0x100000000 + low;
      let seconds = Math.floor(ticks / perSecond);
      let rest = ticks - seconds * perSecond;
      // The quotient was rounded: it can be one too great where the remainder is close to the divisor.
      if (rest < 0) {
        seconds--;
        rest += perSecond;
      }
      this.seconds = seconds;
      this.nanos = rest * this.nanosPerTick;
      return;
    }
    const rest = this.divide(high, low, perSecond);
    this.seconds = this.high * 0x100000000 + this.low;
    this.nanos = rest * this.nanosPerTick;
  }

  /** Ticks finer than a nanosecond: first down to nanoseconds, then to seconds. */
  private setFine(high: number, low: number): void {
    this.high = high;
    this.low = low;
    for (let left = this.exponent - MAX_DIVISOR_EXPONENT; left > 0; left -= MAX_DIVISOR_EXPONENT) {
      this.divide(this.high, this.low, 10 ** Math.min(left, MAX_DIVISOR_EXPONENT));
    }
    this.nanos = this.divide(this.high, this.low, 1e9);
    this.seconds = this.high * 0x100000000 + this.low;
  }

  /** Long division of a 64-bit number by at most 10^9, in 16-bit digits. Returns the remainder. */
  private divide(high: number, low: number, divisor: number): number {
    const top = Math.floor(high / divisor);
    let rest = (high - top * divisor) * 0x10000 + (low >>> 16);
    const middle = Math.floor(rest / divisor);
    rest = (rest - middle * divisor) * 0x10000 + (low & 0xffff);
    const bottom = Math.floor(rest / divisor);
    this.high = top;
    this.low = middle * 0x10000 + bottom;
    return rest - bottom * divisor;
  }

  /** Ticks of 2^-exponent seconds. The fraction is moved to the top of 64 bits, then multiplied by 10^9 digit by digit. */
  private setBinary(high: number, low: number): void {
    const shift = this.exponent;
    let fractionHigh: number;
    let fractionLow: number;
    if (shift === 0) {
      this.seconds = high * 0x100000000 + low;
      fractionHigh = 0;
      fractionLow = 0;
    } else if (shift < 32) {
      this.seconds = high * 2 ** (32 - shift) + (low >>> shift);
      fractionHigh = (low << (32 - shift)) >>> 0;
      fractionLow = 0;
    } else if (shift === 32) {
      this.seconds = high;
      fractionHigh = low;
      fractionLow = 0;
    } else if (shift < 64) {
      const right = shift - 32;
      this.seconds = high >>> right;
      fractionHigh = ((high << (32 - right)) | (low >>> right)) >>> 0;
      fractionLow = (low << (32 - right)) >>> 0;
    } else {
      this.seconds = 0;
      const right = shift - 64;
      // From 2^-96 seconds on, all that 64 bits hold is less than a nanosecond.
      fractionHigh = right < 32 ? high >>> right : 0;
      fractionLow = right === 0 ? low : right < 32 ? ((high << (32 - right)) | (low >>> right)) >>> 0 : 0;
    }
    let product = (fractionLow & 0xffff) * 1e9;
    product = Math.floor(product / 0x10000) + (fractionLow >>> 16) * 1e9;
    product = Math.floor(product / 0x10000) + (fractionHigh & 0xffff) * 1e9;
    product = Math.floor(product / 0x10000) + (fractionHigh >>> 16) * 1e9;
    this.nanos = Math.floor(product / 0x10000);
  }
}
