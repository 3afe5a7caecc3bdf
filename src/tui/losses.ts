import type { Loss } from '../rpc/service.js';
import { safeText } from './text.js';
import { grouped, plural } from './units.js';

/** Refusals that are no loss: on purpose, no flow's, or not yet decided. */
const NOT_LOST = new Set(['notIp', 'sampledOut', 'filteredOut', 'otherShard', 'tunnelContinuation', 'held']);

/** Packets that should have been accounted to a flow and were not. */
export function lostPackets(loss: Pick<Loss, 'refused' | 'dropped'>): number {
  let lost = loss.dropped;
  for (const [reason, count] of Object.entries(loss.refused)) if (!NOT_LOST.has(reason)) lost += count;
  return lost;
}

/** True if something was lost, or flows ended early for want of room. */
export function hasLoss(loss: Loss): boolean {
  return lostPackets(loss) + lostRecords(loss) + (loss.flows.ended.resources ?? 0) > 0 || !loss.balanced;
}

function lostRecords(loss: Loss): number {
  return loss.recordsDropped + loss.recordsLost;
}

/** What was lost, or that nothing was, in a few words. */
export function lossText(loss: Loss): string {
  if (!loss.balanced) return `the accounts do not balance: ${safeText(loss.imbalance.join('; '))}`;
  if (!hasLoss(loss)) return 'nothing lost';
  const parts: string[] = [];
  const lost = lostPackets(loss);
  if (lost > 0) {
    const of = ` (${share(lost, loss.packets + loss.dropped)})`;
    const ring = loss.dropped > 0 ? `, ${grouped(loss.dropped)} of them in the ring` : '';
    parts.push(
      lost === loss.dropped
        ? `${plural(lost, 'packet')} lost in the ring${of}`
        : `${plural(lost, 'packet')} lost${of}${ring}`,
    );
  }
  if (lostRecords(loss) > 0) parts.push(`${plural(lostRecords(loss), 'record')} lost`);
  const early = loss.flows.ended.resources ?? 0;
  if (early > 0) parts.push(`${plural(early, 'flow')} ended early`);
  return parts.join(', ');
}

function share(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (part / whole) * 100;
  return percent > 0 && percent < 0.01 ? '< 0.01 %' : `${percent.toFixed(percent < 1 ? 2 : 1)} %`;
}
