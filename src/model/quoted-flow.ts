import { KeyKind } from '../packet/key.js';
import { addressText } from './address.js';
import { PROTOCOL_NAMES } from './protocols.js';
import { Row } from './row.js';

/** What an ICMP error is about: the packet that it quotes, as sent. */
export interface QuotedFlow {
  src: string;
  srcPort?: number;
  dst: string;
  dstPort?: number;
  proto: string;
}

/** From the words of a quoted key (`RecordBatch.quoted`). */
export function quotedFlow(key: Int32Array): QuotedFlow {
  const meta = key[Row.meta];
  const version = (meta >>> 8) & 0xff;
  const byB = key[Row.meta + 1] === 1;
  const quoted: QuotedFlow = {
    src: addressText(key, byB ? Row.b : Row.a, version),
    dst: addressText(key, byB ? Row.a : Row.b, version),
    proto: PROTOCOL_NAMES[meta & 0xff],
  };
  if ((meta & KeyKind.ports) === 0) return quoted;
  const a = key[Row.ports] >>> 16;
  const b = key[Row.ports] & 0xffff;
  return {
    src: quoted.src,
    srcPort: byB ? b : a,
    dst: quoted.dst,
    dstPort: byB ? a : b,
    proto: quoted.proto,
  };
}
