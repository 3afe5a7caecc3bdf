/**
 * Link types (pcap's LINKTYPE_ numbers) by ARP hardware type, for frames of packet sockets that begin where the kernel says
 * that the link layer begins. Tunnels and point-to-point links begin with IP there.
 * Hardware types: linux/if_arp.h.
 */
const ETHERNET = 1;
const RAW_IP = 101;

const LINK_TYPES: ReadonlyMap<number, number> = new Map([
  [1, ETHERNET],
  [2, ETHERNET], // experimental Ethernet
  [772, ETHERNET], // loopback: an Ethernet header of zeros
  [512, RAW_IP], // PPP: the driver takes its header off
  [513, 104], // Cisco HDLC
  [518, RAW_IP], // raw HDLC
  [519, RAW_IP], // raw IP of mobile modems
  [768, RAW_IP], // IP in IP
  [769, RAW_IP], // IPv6 tunnel
  [774, 10], // FDDI
  [776, RAW_IP], // IPv6 in IPv4
  [778, RAW_IP], // GRE
  [823, RAW_IP], // GRE over IPv6
  [800, 6], // token ring
  [801, 105], // IEEE 802.11
  [802, 119], // 802.11 with Prism header
  [803, 127], // 802.11 with radiotap header
  [65534, RAW_IP], // none: tun, WireGuard
]);

/** Numbers above all link types, which no decoder knows: such frames are refused, and counted there by reason. */
const UNKNOWN = 0x10000;

/** Link type of frames of an interface; one that no decoder knows (≥ 65,536) if the hardware type is not known. */
export function linkTypeOf(hardware: number): number {
  return LINK_TYPES.get(hardware) ?? UNKNOWN + hardware;
}

export function knownHardware(hardware: number): boolean {
  return LINK_TYPES.has(hardware);
}

/** ARP hardware type of the loopback interface. */
export const LOOPBACK_HARDWARE = 772;
