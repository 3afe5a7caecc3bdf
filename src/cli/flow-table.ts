import type { Output } from '../export/output.js';
import { jsonText } from '../export/value-text.js';
import { icmpType, recordDuration } from '../model/core-fields.js';
import type { RecordField } from '../model/hook.js';
import { PROTOCOL_NAMES } from '../model/protocols.js';
import { approximateCounter } from '../model/record.js';
import type { RecordBatch } from '../model/record-batch.js';
import { Row, State } from '../model/row.js';
import type { RecordSink } from '../model/sink.js';
import { timeText } from '../model/time-text.js';
import { KeyKind } from '../packet/key.js';
import type { NameBook } from '../tui/names.js';
import { safeText } from '../tui/text.js';
import { durationForPeople, scaled } from '../tui/units.js';
import { durationSeconds, endpointPort, endpointText, type Measure, totalBytes, totalPackets } from './order.js';
import { renderTable, type TableColumn, type TableStyle } from './table.js';

export interface TableOptions extends TableStyle {
  /** Human units; else plain numbers. */
  readonly units: boolean;
  readonly names: NameBook;
}

interface CellColumn extends TableColumn {
  cell(batch: RecordBatch, index: number): string;
}

function counterCell(batch: RecordBatch, at: number, a: number, b: number, responder: boolean): number {
  const initiatorB = (batch.words[at + Row.state] & State.initiatorB) !== 0;
  return approximateCounter(batch.unsigned, at + (initiatorB === responder ? a : b));
}

/** Terminals with fewer columns show both directions in one number. */
const NARROW = 100;
/** Those with fewer leave out the time. */
const WIDE = 110;

/** Columns of a table without --fields: what people ask first. */
function defaultColumns(options: TableOptions): CellColumn[] {
  const { names, units } = options;
  const bytes = (value: number): string => (units ? scaled(value, 'B') : String(value));
  const count = (value: number): string => (units ? scaled(value, '') : String(value));
  const endpointCell = (responder: boolean) => (batch: RecordBatch, index: number) => {
    const at = index * batch.layout.stride;
    return names.endpoint(endpointText(batch, at, responder), endpointPort(batch, at, responder));
  };
  const sum = (
    title: string,
    a: number,
    b: number,
    responder: boolean,
    text: (value: number) => string,
  ): CellColumn => ({
    title,
    align: 'right',
    cell: (batch, index) => text(counterCell(batch, index * batch.layout.stride, a, b, responder)),
  });
  const proto: CellColumn = {
    title: 'PROTO',
    align: 'left',
    cell(batch, index) {
      const at = index * batch.layout.stride;
      const meta = batch.words[at + Row.meta];
      const name = (meta & KeyKind.anyProtocol) !== 0 ? undefined : PROTOCOL_NAMES[meta & 0xff];
      const icmp = (meta & KeyKind.icmp) !== 0 ? { type: icmpType(batch.words, at) } : undefined;
      return names.protocol(name, icmp);
    },
  };
  const source: CellColumn = { title: 'SOURCE', align: 'left', shrinkTo: 12, cell: endpointCell(false) };
  const destination: CellColumn = { title: 'DESTINATION', align: 'left', shrinkTo: 12, cell: endpointCell(true) };
  const duration: CellColumn = {
    title: 'DURATION',
    align: 'right',
    cell(batch, index) {
      const at = index * batch.layout.stride;
      return units ? durationForPeople(durationSeconds(batch, at)) : recordDuration(batch, at);
    },
  };
  const width = options.width ?? Number.POSITIVE_INFINITY;
  if (width < NARROW) {
    const total = (title: string, text: (value: number) => string, measure: Measure): CellColumn => ({
      title,
      align: 'right',
      cell: (batch, index) => text(measure(batch, index * batch.layout.stride)),
    });
    return [
      proto,
      source,
      destination,
      total('PACKETS', count, totalPackets),
      total('BYTES', bytes, totalBytes),
      duration,
    ];
  }
  const columns: CellColumn[] = [
    proto,
    source,
    destination,
    sum('PACKETS', Row.packetsA, Row.packetsB, false, count),
    sum('REPLIES', Row.packetsA, Row.packetsB, true, count),
    sum('SENT', Row.octetsA, Row.octetsB, false, bytes),
    sum('RECEIVED', Row.octetsA, Row.octetsB, true, bytes),
    duration,
  ];
  if (width < WIDE) return columns;
  columns.push({
    title: 'START',
    align: 'left',
    cell(batch, index) {
      const at = index * batch.layout.stride;
      const text = timeText(batch.unsigned[at + Row.startSeconds], batch.unsigned[at + Row.startNanos]);
      // The time of day is enough for a person; the line below the table has the date.
      return units ? text.slice(11, 19) : text;
    },
  });
  return columns;
}

/** Columns of `--fields`. */
function fieldColumns(fields: readonly RecordField[], options: TableOptions): CellColumn[] {
  return fields.map((field) => ({
    title: field.name,
    align: field.type === 'number' ? 'right' : 'left',
    ...(field.type === 'number' ? {} : { shrinkTo: 8 }),
    cell(batch, index) {
      const value = field.read(batch, index);
      if (value === undefined) return '';
      if (typeof value === 'string') {
        const isAddress = field.name === 'src' || field.name === 'dst';
        return safeText(isAddress ? options.names.address(value) : value);
      }
      if (options.units && typeof value === 'number') {
        if (field.unit === 'B') return scaled(value, 'B');
        if (field.unit === 's') return durationForPeople(value);
      }
      return safeText(jsonText(value));
    },
  }));
}

/** Shows the records that it gets (a TopSink's) as one table. */
export class FlowTable implements RecordSink {
  readonly #output: Output;
  readonly #columns: readonly CellColumn[];
  readonly #options: TableOptions;
  readonly #rows: string[][] = [];

  /** @param fields the columns; undefined: those that people ask for first */
  constructor(output: Output, fields: readonly RecordField[] | undefined, options: TableOptions) {
    this.#output = output;
    this.#options = options;
    this.#columns = fields === undefined ? defaultColumns(options) : fieldColumns(fields, options);
  }

  write(batch: RecordBatch): void {
    for (let index = 0; index < batch.count; index++) {
      this.#rows.push(this.#columns.map((column) => column.cell(batch, index)));
    }
  }

  async close(): Promise<void> {
    this.#output.text(renderTable(this.#columns, this.#rows, this.#options));
  }
}
