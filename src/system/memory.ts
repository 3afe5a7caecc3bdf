import { check, libc, loadKoffi } from './libc.js';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;

/** Gives the addresses of a region back when nothing in JavaScript can see it any more. */
const unseen = new FinalizationRegistry<{ address: number; length: number }>(({ address, length }) => {
  libc().munmap(address, length);
});

/**
 * A range of addresses into which kernel memory is mapped and out of which it is taken again, seen as one ArrayBuffer all
 * the time. Where nothing is mapped lies empty memory, so that a view that outlives a mapping reads zeros and is no danger;
 * the addresses themselves are given back when the buffer was collected.
 */
export class Region {
  readonly buffer: ArrayBuffer;
  readonly length: number;
  /** Where the buffer lies: it does not move, so that the kernel may be told of it. */
  readonly address: number;

  /** @param length in bytes, a multiple of the page size, below 2 GiB; costs no memory until something is mapped */
  constructor(length: number) {
    this.length = length;
    this.address = map(0, length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    this.buffer = loadKoffi().view(BigInt(this.address), length);
    unseen.register(this.buffer, { address: this.address, length });
  }

  /** Maps memory of a descriptor over [offset, offset + length). @throws SystemError */
  map(fd: number, offset: number, length: number): void {
    map(this.address + offset, length, MAP_SHARED | MAP_FIXED, fd);
  }

  /** Puts empty memory in its place. @throws SystemError */
  clear(offset: number, length: number): void {
    map(this.address + offset, length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1);
  }
}

function map(address: number, length: number, flags: number, fd: number): number {
  const result = libc().mmap(address, length, PROT_READ_WRITE, flags, fd, 0);
  // MAP_FAILED is −1 as a pointer.
  return check('mmap', result > Number.MAX_SAFE_INTEGER ? -1 : result);
}
