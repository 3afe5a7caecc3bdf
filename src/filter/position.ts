import { type Frame, readByte } from './frame.js';
import { type Layout, networkType } from './layout.js';

/**
 * What `vlan`, `mpls` and `pppoes` move: where the headers stand for all primitives behind them in the expression, whatever
 * parentheses and operators are between.
 */
export class Position {
  readonly expression: string;
  layout: Layout;
  /** Offset of the type field. */
  type: number;
  /** Offset of the link's payload, and of the network header in it. */
  payload: number;
  network: number;
  labels = 0;

  constructor(expression: string, layout: Layout) {
    this.expression = expression;
    this.layout = layout;
    this.type = layout.type;
    this.payload = layout.payload;
    this.network = layout.network;
  }

  /** Offset of the network header. */
  get networkHeader(): number {
    return this.payload + this.network;
  }

  /** Whether ARP and the like can be there at all. */
  get onlyIp(): boolean {
    return this.labels > 0 || this.layout.field === 'ip';
  }

  /** EtherType of the network layer. */
  networkType(): (frame: Frame) => number {
    if (this.labels === 0) return networkType(this.layout, this.type, this.payload);
    // Behind the last label of a stack; nothing but the IP version tells what it is.
    const header = this.networkHeader;
    return (frame) => {
      const at = frame.payloadBase + header;
      if ((readByte(frame, at - 2) & 1) === 0) return 0;
      const version = readByte(frame, at) & 0xf0;
      return version === 0x40 ? 0x0800 : version === 0x60 ? 0x86dd : 0;
    };
  }
}
