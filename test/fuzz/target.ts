import { createHash } from 'node:crypto';
import { RandomStream } from '../../bench/random.js';

/** Random numbers of one input; the same seed, target and number give the same input on every machine. */
export class Random {
  private readonly stream: RandomStream;

  constructor(seed: number, target: string, iteration: number) {
    const digest = createHash('sha256').update(`${seed} ${target} ${iteration}`).digest();
    this.stream = new RandomStream(digest.readInt32LE(0));
  }

  /** 0 … n − 1. */
  below(n: number): number {
    return Math.floor(this.stream.next() * n);
  }

  byte(): number {
    return this.below(256);
  }

  /** True once in n times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.byte());
  }
}

/** Something of the program that takes a stranger's bytes, and what it promises about them. */
export interface Target {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  /** Inputs the short run in the tests tries. */
  readonly tries: number;
  make(random: Random): Uint8Array;
  /** Where the parts begin that can be left out as a whole, the first one aside. */
  parts?(bytes: Uint8Array): number[];
  /** Does with the bytes what the program does. Throws if a promise is broken, whatever the bytes are. */
  run(bytes: Uint8Array): void | Promise<void>;
}
