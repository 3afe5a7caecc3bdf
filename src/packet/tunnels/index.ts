import { Tunnel } from '../tunnel.js';
import type { TunnelParser } from '../walk.js';
import { geneve } from './geneve.js';
import { gre } from './gre.js';
import { gtpu } from './gtpu.js';
import { l2tp } from './l2tp.js';
import { teredo } from './teredo.js';
import { vxlan, vxlanGpe } from './vxlan.js';

export { geneve, gre, gtpu, l2tp, teredo, vxlan, vxlanGpe };

export interface UdpTunnel {
  readonly port: number;
  /** A `Tunnel`. */
  readonly tunnel: number;
  /**
   * `pos` at the first byte behind the UDP header, `end` and `wireEnd` at the end of the UDP payload by UDP's length
   * (of the whole datagram, also where this is its first fragment).
   */
  readonly parser: TunnelParser;
}

/** Tunnels over UDP by their port, either source or destination. */
export const UDP_TUNNELS: readonly UdpTunnel[] = [
  { port: 4789, tunnel: Tunnel.vxlan, parser: vxlan },
  /** Linux's default from before the assignment. */
  { port: 8472, tunnel: Tunnel.vxlan, parser: vxlan },
  { port: 4790, tunnel: Tunnel.vxlan, parser: vxlanGpe },
  { port: 6081, tunnel: Tunnel.geneve, parser: geneve },
  { port: 2152, tunnel: Tunnel.gtpu, parser: gtpu },
  { port: 3544, tunnel: Tunnel.teredo, parser: teredo },
  { port: 1701, tunnel: Tunnel.l2tp, parser: l2tp },
];
