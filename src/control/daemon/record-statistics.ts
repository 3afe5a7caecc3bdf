import { PROTOCOL_NAMES } from '../../model/protocols.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import { KeyKind } from '../../packet/key.js';
import type { MinMeanMax, Statistics } from '../../rpc/service.js';
import { durationSeconds, totalBytes, totalPackets } from './sort-key.js';

/** Minimum, sum and maximum of numbers as they come. */
class Spread {
  private min = Number.POSITIVE_INFINITY;
  private max = 0;
  private sum = 0;

  add(value: number): void {
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    this.sum += value;
  }

  /** All zero while there are none. */
  of(count: number): MinMeanMax {
    return count === 0 ? { min: 0, mean: 0, max: 0 } : { min: this.min, mean: this.sum / count, max: this.max };
  }
}

const PROTOCOLS = 257;
/** Flows whose key has no protocol (`--track ip`). */
const ANY_PROTOCOL = 256;

/** What softflowctl's statistics tell of flows that ended: kept as their records go by. */
export class RecordStatistics {
  private count = 0;
  private readonly bytes = new Spread();
  private readonly packets = new Spread();
  private readonly duration = new Spread();
  private readonly flowsOf = new Float64Array(PROTOCOLS);
  private readonly packetsOf = new Float64Array(PROTOCOLS);
  private readonly bytesOf = new Float64Array(PROTOCOLS);
  private readonly durationOf = new Float64Array(PROTOCOLS);
  private readonly longestOf = new Float64Array(PROTOCOLS);

  add(batch: RecordBatch): void {
    const { words } = batch;
    const { stride } = batch.layout;
    for (let index = 0; index < batch.count; index++) {
      const meta = words[index * stride + Row.meta];
      const protocol = (meta & KeyKind.anyProtocol) === 0 ? meta & 0xff : ANY_PROTOCOL;
      const bytes = totalBytes(batch, index);
      const packets = totalPackets(batch, index);
      const ms = durationSeconds(batch, index) * 1000;
      this.bytes.add(bytes);
      this.packets.add(packets);
      this.duration.add(ms);
      this.flowsOf[protocol]++;
      this.packetsOf[protocol] += packets;
      this.bytesOf[protocol] += bytes;
      this.durationOf[protocol] += ms;
      if (ms > this.longestOf[protocol]) this.longestOf[protocol] = ms;
    }
    this.count += batch.count;
  }

  get expired(): Statistics['expired'] {
    const { count } = this;
    return { bytes: this.bytes.of(count), packets: this.packets.of(count), durationMs: this.duration.of(count) };
  }

  /** Protocols that were met, those with the most bytes first. */
  get protocols(): Statistics['protocols'] {
    const met: Statistics['protocols'] = [];
    for (let protocol = 0; protocol < PROTOCOLS; protocol++) {
      const flows = this.flowsOf[protocol];
      if (flows === 0) continue;
      met.push({
        proto: protocol === ANY_PROTOCOL ? 'any' : PROTOCOL_NAMES[protocol],
        flows,
        packets: this.packetsOf[protocol],
        bytes: this.bytesOf[protocol],
        meanDurationMs: this.durationOf[protocol] / flows,
        maxDurationMs: this.longestOf[protocol],
      });
    }
    return met.sort((x, y) => y.bytes - x.bytes);
  }
}
