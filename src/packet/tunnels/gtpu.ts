import { limitTo } from '../link/common.js';
import type { Walk } from '../walk.js';
import { enter, innerIp } from './inner.js';

const HEADER = 8;
/** Version 1 and protocol type GTP in the first byte, and the bit that is reserved. */
const VERSION_MASK = 0xf8;
const VERSION_1 = 0x30;
const EXTENSION = 0x04;
/** Any of extension header, sequence number, N-PDU number: four bytes hold all three. */
const OPTIONAL_FIELDS = 0x07;
const G_PDU = 255;
/** Extension headers that are followed; 3GPP defines fewer kinds, each at most once. */
const MOST_EXTENSIONS = 8;

/** GTP-U version 1 (3GPP TS 29.281 §5) that carries an IP packet (G-PDU). */
export function gtpu(walk: Walk): boolean {
  const { view, pos, end } = walk;
  if (pos + HEADER > end) return false;
  const first = view.getUint8(pos);
  if ((first & VERSION_MASK) !== VERSION_1 || view.getUint8(pos + 1) !== G_PDU) return false;
  const messageEnd = pos + HEADER + view.getUint16(pos + 2);
  if (messageEnd > walk.wireEnd) return false;
  let inner = pos + HEADER;
  if ((first & OPTIONAL_FIELDS) !== 0) {
    if (inner + 4 > end) return false;
    let next = (first & EXTENSION) !== 0 ? view.getUint8(inner + 3) : 0;
    inner += 4;
    for (let k = 0; next !== 0; k++) {
      if (k === MOST_EXTENSIONS || inner >= end) return false;
      const length = view.getUint8(inner) << 2;
      if (length === 0 || inner + length > end) return false;
      inner += length;
      next = view.getUint8(inner - 1);
    }
  }
  const etherType = innerIp(walk, inner, messageEnd);
  if (etherType === 0) return false;
  limitTo(walk, messageEnd);
  return enter(walk, inner, etherType, view.getInt32(pos + 4));
}
