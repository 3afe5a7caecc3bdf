import { PcapWriter } from '../../src/codec/pcap-write.js';

/** LINKTYPE_RAW: packets begin with the IP header. */
const RAW = 101;

/** A pcap file with each payload as a UDP datagram from 127.0.0.1 to 127.0.0.1, a millisecond apart. */
export function datagramPcap(payloads: readonly Uint8Array[], port: number, seconds = 1_704_067_200): Uint8Array {
  const writer = new PcapWriter({ linkType: RAW, variant: 'nano' });
  const total = payloads.reduce((sum, payload) => sum + payload.length + 28 + writer.recordHeaderLength, 0);
  const file = new Uint8Array(writer.fileHeaderLength + total);
  let at = writer.writeHeader(file, 0);
  payloads.forEach((payload, k) => {
    const packet = new Uint8Array(28 + payload.length);
    const view = new DataView(packet.buffer);
    view.setUint16(0, 0x4500);
    view.setUint16(2, packet.length);
    view.setUint16(4, k & 0xffff);
    view.setUint16(8, (64 << 8) | 17);
    view.setUint32(12, 0x7f000001);
    view.setUint32(16, 0x7f000001);
    let sum = 0;
    for (let word = 0; word < 20; word += 2) sum += view.getUint16(word);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(10, ~sum);
    view.setUint16(20, 40_000);
    view.setUint16(22, port);
    view.setUint16(24, 8 + payload.length);
    packet.set(payload, 28);
    at = writer.writeRecord(file, at, seconds + Math.floor(k / 1000), (k % 1000) * 1_000_000, packet, packet.length);
  });
  return file;
}
