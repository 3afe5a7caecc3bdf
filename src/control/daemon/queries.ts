import { ErrorCode, RheoError } from '../../core/errors.js';
import { JsonWriter } from '../../export/json.js';
import { Output } from '../../export/output.js';
import { compileFlowFilter } from '../../filter/flow-filter.js';
import type { RecordFormat } from '../../model/core-fields.js';
import type { RecordField } from '../../model/hook.js';
import { readMembers } from '../../model/read-record.js';
import { RecordBatch, type RecordLayout } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import type { FlowObject, FlowPage, FlowQuery, TopEntry } from '../../rpc/service.js';
import type { DaemonClock } from './clock.js';
import { dumpBlock, dumpEnd, dumpHeader } from './dump-format.js';
import { Gate } from './gate.js';
import { groupKeys } from './group-keys.js';
import { SUMS, Sum } from './groups.js';
import type { RecordBlock } from './messages.js';
import type { Shards } from './shards.js';
import { sortKey } from './sort-key.js';
import { comesFirst } from './top-records.js';

const DEFAULT_LIMIT = 100;
const MOST_LIMIT = 10_000;
/** What is in front of a page must be kept, too. */
const MOST_KEPT = 20_000;
/** Records turned into objects before the event loop gets its turn. */
const OBJECTS_A_TURN = 500;
/** Dumps at one time: each holds some buffers. */
const MOST_DUMPS = 8;
/**
 * So many at one time; the rest waits, in order. Orders do not wait behind questions, nor short answers behind long ones,
 * of which a few together would hold much memory. Shards take more than all of these, so that none is refused.
 */
const MOST_ORDERS = 4;
const MOST_SHORT = 8;
const MOST_LONG = 2;
/** An answer of more flows is a long one. */
const SHORT_FLOWS = 1000;

export interface QueryOptions {
  shards: Shards;
  clock: DaemonClock;
  /** Members that shards know, to sort and group by; and those that answers have. */
  members: readonly RecordField[];
  shown: readonly RecordField[];
  format: RecordFormat;
  /** Multiplies what was sampled, if that is wanted, and enriches; changes the batch. */
  complete(batch: RecordBatch): void;
  version: string;
}

/** Questions about the flows in the tables of all shards. */
export class Queries {
  private readonly options: QueryOptions;
  private readonly orders = new Gate(MOST_ORDERS);
  private readonly short = new Gate(MOST_SHORT);
  private readonly long = new Gate(MOST_LONG);
  private dumps = 0;

  constructor(options: QueryOptions) {
    this.options = options;
  }

  private get layout(): RecordLayout {
    const { layout } = this.options.shards;
    if (layout === undefined) throw new RheoError(ErrorCode.worker, 'the daemon does not observe yet');
    return layout;
  }

  /** @throws RheoError usage, filter */
  flows(query: FlowQuery): Promise<FlowPage> {
    const gate = (query.limit ?? DEFAULT_LIMIT) + (query.offset ?? 0) > SHORT_FLOWS ? this.long : this.short;
    return gate.through(() => this.findFlows(query));
  }

  private async findFlows(query: FlowQuery): Promise<FlowPage> {
    const { shards, members, shown, clock } = this.options;
    const limit = whole('limit', query.limit ?? DEFAULT_LIMIT, 1, MOST_LIMIT);
    const offset = whole('offset', query.offset ?? 0, 0, MOST_KEPT - limit);
    const filter = checkFilter(query.filter);
    const sort = query.sort ?? 'bytes';
    const key = sortKey(sort, members);
    const descending = query.order === undefined ? key.descending : query.order === 'desc';
    const keep = offset + limit;
    const { layout } = this;
    const answers = await shards.askAll({ kind: 'flows', filter, sort, descending, keep });
    const found: { value: number | string; hash: number; batch: RecordBatch; index: number }[] = [];
    let scanned = 0;
    let matched = 0;
    for (const { shard, answer } of answers) {
      scanned += answer.scanned;
      matched += answer.matched;
      let next = 0;
      for (const block of answer.records ?? []) {
        const batch = this.batchOf(shard, block, layout);
        for (let index = 0; index < block.count; index++) {
          const hash = batch.unsigned[index * layout.stride + Row.hash];
          found.push({ value: (answer.values as (number | string)[])[next++], hash, batch, index });
        }
      }
    }
    found.sort((x, y) => (comesFirst(x.value, x.hash, y.value, y.hash, descending) ? -1 : 1));
    const flows: FlowObject[] = [];
    for (const { batch, index } of found.slice(offset, offset + limit)) {
      flows.push(readMembers(batch, index, shown));
      if (flows.length % OBJECTS_A_TURN === 0) await clock.turn();
    }
    return { flows, matched, scanned };
  }

  /** The groups with the most bytes; what is not in them comes last as `other`. @throws RheoError usage, filter */
  top(key: string, query: { filter?: string | undefined; limit?: number | undefined }): Promise<TopEntry[]> {
    return this.short.through(() => this.findTop(key, query));
  }

  private async findTop(
    key: string,
    query: { filter?: string | undefined; limit?: number | undefined },
  ): Promise<TopEntry[]> {
    const { shards, members } = this.options;
    const limit = whole('limit', query.limit ?? 10, 1, MOST_LIMIT);
    const filter = checkFilter(query.filter);
    groupKeys(key, members);
    const answers = await shards.askAll({ kind: 'top', key, filter });
    const factor = this.options.format.sampling?.scale === true ? this.options.format.sampling.n : 1;
    const entries = new Map<string, TopEntry>();
    const other: TopEntry = { key: 'other', flows: 0, packets: 0, bytes: 0 };
    const add = (entry: TopEntry, sums: Float64Array, at: number): void => {
      entry.flows += sums[at + Sum.flows];
      entry.packets += sums[at + Sum.packets] * factor;
      entry.bytes += sums[at + Sum.bytes] * factor;
    };
    for (const { groups } of answers.map(({ answer }) => answer)) {
      if (groups === undefined) continue;
      for (const [n, name] of groups.keys.entries()) {
        let entry = entries.get(name);
        if (entry === undefined) {
          entry = { key: name, flows: 0, packets: 0, bytes: 0 };
          entries.set(name, entry);
        }
        add(entry, groups.sums, n * SUMS);
      }
      add(other, groups.other, 0);
    }
    const sorted = [...entries.values()].sort((x, y) => y.bytes - x.bytes || (x.key < y.key ? -1 : 1));
    for (const { flows, packets, bytes } of sorted.slice(limit)) {
      other.flows += flows;
      other.packets += packets;
      other.bytes += bytes;
    }
    const best = sorted.slice(0, limit);
    return other.flows === 0 ? best : [...best, other];
  }

  /** @throws RheoError filter; limit (when it is read): too many dumps at one time */
  dump(query: { filter?: string | undefined; format: 'ndjson' | 'binary' }): AsyncIterable<Uint8Array> {
    return this.pieces(checkFilter(query.filter), query.format);
  }

  private async *pieces(
    filter: string | undefined,
    format: 'ndjson' | 'binary',
  ): AsyncGenerator<Uint8Array, void, void> {
    if (this.dumps >= MOST_DUMPS) {
      throw new RheoError(ErrorCode.limit, `${MOST_DUMPS} dumps are being read already`, {
        remedy: 'Try again when one of them has ended.',
      });
    }
    this.dumps++;
    try {
      const { shards, shown, format: record, clock, version } = this.options;
      const encoder = format === 'ndjson' ? new JsonPieces(shown, record) : undefined;
      const interfaces = shards.interfaces.list.map(({ name }) => name);
      const { layout } = this;
      if (encoder === undefined) yield dumpHeader({ layout, interfaces, takenMs: clock.wallMs(), version });
      let records = 0;
      for (const shard of shards.running) {
        for await (const batch of this.slices(shard, filter, layout)) {
          records += batch.count;
          yield encoder === undefined ? dumpBlock(batch) : encoder.write(batch);
        }
      }
      if (encoder === undefined) yield dumpEnd(records);
    } finally {
      this.dumps--;
    }
  }

  /** Slices of one shard's table as they are wanted. A batch is valid until the next one is asked for. */
  private async *slices(
    shard: number,
    filter: string | undefined,
    layout: RecordLayout,
  ): AsyncGenerator<RecordBatch, void, void> {
    const waiting: { block: RecordBlock; done: () => void }[] = [];
    let wake = (): void => undefined;
    let over = false;
    let failure: unknown;
    const { answer, cancel } = this.options.shards.ask(shard, { kind: 'dump', filter }, (block, _seconds, done) => {
      waiting.push({ block, done });
      wake();
    });
    answer
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        over = true;
        wake();
      });
    try {
      for (;;) {
        const slice = waiting.shift();
        if (slice !== undefined) {
          yield this.batchOf(shard, slice.block, layout);
          slice.done();
          continue;
        }
        if (failure !== undefined) throw failure;
        if (over) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      cancel();
    }
  }

  private batchOf(shard: number, block: RecordBlock, layout: RecordLayout): RecordBatch {
    const batch = new RecordBatch(layout, block.memory, block.quoted);
    batch.count = block.count;
    this.options.shards.interfaces.renumber(shard, batch);
    this.options.complete(batch);
    return batch;
  }

  /** Ends flows, with records or without. Returns how many. @throws RheoError filter */
  async end(filter: string | undefined, reason: 'forced' | 'deleted'): Promise<number> {
    const checked = checkFilter(filter);
    const ask = { kind: 'end', filter: checked, reason } as const;
    const answers = await this.orders.through(() => this.options.shards.askAll(ask));
    return answers.reduce((sum, { answer }) => sum + answer.matched, 0);
  }
}

/** Records as lines of JSON, in pieces. */
class JsonPieces {
  private readonly writer: JsonWriter;
  private parts: Uint8Array[] = [];

  constructor(members: readonly RecordField[], format: RecordFormat) {
    const keep = (_fd: number, bytes: Uint8Array, offset: number, length: number): number => {
      this.parts.push(new Uint8Array(bytes.subarray(offset, offset + length)));
      return length;
    };
    this.writer = new JsonWriter(new Output(-1, 'the dump', keep), members, format);
  }

  write(batch: RecordBatch): Uint8Array {
    this.writer.write(batch);
    const { parts } = this;
    this.parts = [];
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }
}

/** Compiles it to see whether it is one; the shards do so again. Nothing and the empty text choose all. */
function checkFilter(filter: string | undefined): string | undefined {
  if (filter === undefined || filter.trim() === '') return undefined;
  compileFlowFilter(filter);
  return filter;
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RheoError(ErrorCode.usage, `${name} must be a whole number from ${min} to ${max}, not ${value}`, {
    remedy: 'To get all flows, use dump-flows.',
  });
}
