/** Builds pcapng blocks by hand, independently of the writer that is tested. */

export function bytes(...parts: (Uint8Array | number[] | string)[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
}

export function u16(value: number, little = true): Uint8Array {
  const out = Buffer.alloc(2);
  if (little) out.writeUInt16LE(value);
  else out.writeUInt16BE(value);
  return out;
}

export function u32(value: number, little = true): Uint8Array {
  const out = Buffer.alloc(4);
  if (little) out.writeUInt32LE(value);
  else out.writeUInt32BE(value);
  return out;
}

export function u64(value: bigint, little = true): Uint8Array {
  const out = Buffer.alloc(8);
  if (little) out.writeBigUInt64LE(BigInt.asUintN(64, value));
  else out.writeBigUInt64BE(BigInt.asUintN(64, value));
  return out;
}

export function pad(value: Uint8Array): Uint8Array {
  return bytes(value, new Uint8Array((4 - (value.length % 4)) % 4));
}

export function option(code: number, value: Uint8Array | string, little = true): Uint8Array {
  const data = Buffer.from(value);
  return bytes(u16(code, little), u16(data.length, little), pad(data));
}

export function block(type: number, body: Uint8Array, little = true): Uint8Array {
  const length = u32(body.length + 12, little);
  return bytes(u32(type, little), length, body, length);
}

export function section(little = true, major = 1): Uint8Array {
  return block(
    0x0a0d0d0a,
    bytes(u32(0x1a2b3c4d, little), u16(major, little), u16(0, little), u64(-1n, little)),
    little,
  );
}

export function iface(linkType: number, snapLength: number, options: Uint8Array[] = [], little = true): Uint8Array {
  return block(1, bytes(u16(linkType, little), u16(0, little), u32(snapLength, little), ...options), little);
}

export interface EnhancedPacket {
  iface?: number;
  ticks: bigint;
  data: Uint8Array;
  wire?: number;
  options?: Uint8Array[];
  little?: boolean;
}

export function enhanced(packet: EnhancedPacket): Uint8Array {
  const little = packet.little ?? true;
  const { data } = packet;
  const body = bytes(
    u32(packet.iface ?? 0, little),
    u32(Number((packet.ticks >> 32n) & 0xffffffffn), little),
    u32(Number(packet.ticks & 0xffffffffn), little),
    u32(data.length, little),
    u32(packet.wire ?? data.length, little),
    pad(data),
    ...(packet.options ?? []),
  );
  return block(6, body, little);
}
