/** Tunnels that are looked into, as `Batch.tunnel` holds them, and the names that `--tunnels` takes. */
export const Tunnel = {
  none: 0,
  /** IP in IP, all four ways (RFC 2003, 2473, 4213). */
  ipip: 1,
  /** GRE with an IP payload (RFC 2784, 2890). */
  gre: 2,
  /** GRE with an Ethernet payload and a tenant id (RFC 7637). */
  nvgre: 3,
  /** ERSPAN types II and III in GRE (draft-foschiano-erspan). */
  erspan: 4,
  /** RFC 7348; also VXLAN-GPE. */
  vxlan: 5,
  /** RFC 8926. */
  geneve: 6,
  /** GTP-U version 1 (3GPP TS 29.281). */
  gtpu: 7,
  /** RFC 4380. */
  teredo: 8,
  /** L2TP version 2 data messages with PPP (RFC 2661). */
  l2tp: 9,
} as const;
export type TunnelName = Exclude<keyof typeof Tunnel, 'none'>;
export const TUNNEL_NAMES: readonly string[] = Object.keys(Tunnel);
