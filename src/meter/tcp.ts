import { State } from '../model/row.js';
import type { Batch } from '../packet/batch.js';
import { Cold } from './layout.js';

export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

/** Flags that may change the state of a connection. */
export const EVENT_FLAGS: number = TcpFlag.fin | TcpFlag.syn | TcpFlag.rst;

/**
 * Follows the end of a connection by sequence numbers (RFC 9293 §3.6): both FINs sent, and each acknowledged by the
 * other side. Called for packets with SYN, FIN or RST and for those of a flow where a FIN was seen.
 *
 * @param k first word of the row's cold part in `cold`
 * @param direction 0 if endpoint A sent the packet
 * @returns the new state bits
 */
export function followTcp(
  cold: Int32Array,
  k: number,
  state: number,
  batch: Batch,
  i: number,
  direction: number,
): number {
  const flags = batch.tcpFlags[i];
  const { view } = batch;
  const at = batch.transport[i];
  let next = state;
  if ((flags & TcpFlag.rst) !== 0) next |= State.reset;
  const readable = batch.offset[i] + batch.captured[i] - at;
  const fin = direction === 0 ? State.finA : State.finB;
  if ((flags & TcpFlag.fin) !== 0 && readable >= 8 && (next & fin) === 0) {
    const syn = (flags & TcpFlag.syn) !== 0 ? 1 : 0;
    cold[k + (direction === 0 ? Cold.finA : Cold.finB)] =
      (view.getInt32(at + 4) + batch.payloadLength[i] + syn + 1) | 0;
    next |= fin;
  }
  if ((flags & TcpFlag.ack) !== 0 && readable >= 12) {
    const otherFin = direction === 0 ? State.finB : State.finA;
    if ((next & otherFin) !== 0) {
      const expected = cold[k + (direction === 0 ? Cold.finB : Cold.finA)];
      // Acknowledged up to the FIN or beyond, modulo 2^32.
      if (((view.getInt32(at + 8) - expected) | 0) >= 0) {
        next |= direction === 0 ? State.finAckedB : State.finAckedA;
      }
    }
  }
  return next;
}

/** Both FINs were acknowledged. */
export const CLOSED: number = State.finAckedA | State.finAckedB;
