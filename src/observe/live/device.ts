import type { LiveInterface } from '../../model/live-source.js';
import type { Link } from '../../system/links.js';
import { CardClock } from './card-clock.js';
import { linkTypeOf } from './link-types.js';

/** An interface that is or was observed, with its counters. It keeps its place in the list when it goes and comes back. */
export class Device {
  readonly index: number;
  name: string;
  kernelIndex = 0;
  linkType: number;
  readonly snapLength: number;
  readonly sampledOneIn: number;
  state: LiveInterface['state'] = 'up';
  /** Bytes; 0 if unknown. */
  mtu = 0;
  lastError: string | undefined;
  readonly card: CardClock = new CardClock();

  /** Counted by sockets that are closed. */
  formerKernel = 0;
  formerDropped = 0;
  packets = 0;
  bytes = 0;
  transmitted = 0;
  superFrames = 0;
  segments = 0;
  duplicates = 0;

  constructor(index: number, name: string, linkType: number, snapLength: number, sampledOneIn: number) {
    this.index = index;
    this.name = name;
    this.linkType = linkType;
    this.snapLength = snapLength;
    this.sampledOneIn = sampledOneIn;
  }

  /** Takes over what the kernel says of it. */
  describe(link: Link): void {
    this.name = link.name;
    this.kernelIndex = link.index;
    this.linkType = linkTypeOf(link.hardware);
    this.mtu = link.mtu;
    this.state = link.up ? 'up' : 'down';
  }

  /** Packets that were taken out of the ring. */
  get taken(): number {
    return this.packets + this.duplicates;
  }

  /** @param kernel packets that the kernel had for it @param dropped those for which the ring had no room */
  report(kernel: number, dropped: number): LiveInterface {
    return {
      index: this.index,
      name: this.name,
      linkType: this.linkType,
      snapLength: this.snapLength,
      kernelIndex: this.kernelIndex,
      state: this.state,
      kernel,
      packets: this.packets,
      bytes: this.bytes,
      received: this.packets - this.transmitted,
      transmitted: this.transmitted,
      dropped,
      waiting: kernel - dropped - this.taken,
      superFrames: this.superFrames,
      segments: this.segments,
      duplicates: this.duplicates,
      sampledOneIn: this.sampledOneIn,
      lastError: this.lastError,
    };
  }
}
