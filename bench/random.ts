/** Random numbers that a seed decides, so that a generated capture is the same on every machine. */

/** 32 well-mixed bits of three 32-bit numbers (the finalizer of MurmurHash3, in the public domain). */
export function mix(seed: number, number: number, salt: number): number {
  let h = seed ^ Math.imul(number, 0x9e3779b1) ^ Math.imul(salt, 0x85ebca77);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  h = Math.imul(h ^ number, 0x27d4eb2f);
  return (h ^ (h >>> 15)) >>> 0;
}

/** `mix` as a number in (0, 1): neither end is ever reached. */
export function unit(seed: number, number: number, salt: number): number {
  return (mix(seed, number, salt) + 0.5) / 0x1_0000_0000;
}

/** A permutation of the numbers below 2^24: different inputs give different outputs. */
export function permute24(value: number, seed: number): number {
  let x = (value ^ seed) & 0xff_ffff;
  for (let round = 0; round < 3; round++) {
    x ^= x >>> 11;
    x = Math.imul(x, 0x6d2b79) & 0xff_ffff;
    x = (x + (seed >>> (8 * round))) & 0xff_ffff;
  }
  return x ^ (x >>> 13);
}

/** A stream of numbers in [0, 1): the "small fast counter" generator sfc32 of PractRand (public domain). */
export class RandomStream {
  private readonly state = new Int32Array(4);

  constructor(seed: number) {
    this.state[0] = mix(seed, 1, 0);
    this.state[1] = mix(seed, 2, 0);
    this.state[2] = mix(seed, 3, 0);
    this.state[3] = 1;
    for (let i = 0; i < 12; i++) this.next();
  }

  next(): number {
    const s = this.state;
    const sum = (s[0]! + s[1]! + s[3]!) | 0;
    s[3] = (s[3]! + 1) | 0;
    s[0] = s[1]! ^ (s[1]! >>> 9);
    s[1] = (s[2]! + (s[2]! << 3)) | 0;
    s[2] = ((s[2]! << 21) | (s[2]! >>> 11)) + sum;
    return (sum >>> 0) / 0x1_0000_0000;
  }
}
