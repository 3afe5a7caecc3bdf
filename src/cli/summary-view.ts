import { csvValue, jsonText } from '../export/value-text.js';
import { durationForPeople, scaled } from '../tui/units.js';
import type { TableOptions } from './flow-table.js';
import type { ViewFormat } from './group-view.js';
import type { Bucket, SummaryView } from './histogram.js';
import { renderTable, type TableColumn } from './table.js';

const BAR_WIDTH = 24;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

const HISTOGRAMS = ['sizes', 'durations', 'packetsPerFlow', 'protocols', 'endReasons'] as const;
type HistogramName = (typeof HISTOGRAMS)[number];

export function renderSummary(view: SummaryView, format: ViewFormat, options: TableOptions): string {
  if (format === 'json') return `${jsonText(view)}\n`;
  if (format === 'csv') return summaryAsCsv(view);
  return HISTOGRAMS.filter((name) => view[name].length > 0)
    .map((name) => histogramAsTable(name, view[name], options))
    .join('\n');
}

function summaryAsCsv(view: SummaryView): string {
  let text = 'histogram,from,to,name,flows,packets,bytes\r\n';
  for (const name of HISTOGRAMS) {
    for (const bucket of view[name]) {
      const cells = [name, bucket.from, bucket.to, bucket.name, bucket.flows, bucket.packets, bucket.bytes];
      text += `${cells.map(csvValue).join(',')}\r\n`;
    }
  }
  return text;
}

/** Bar of the share of `value` in `most`, in eighths of a column. */
export function bar(value: number, most: number): string {
  const eighths = most === 0 ? 0 : Math.round((value / most) * BAR_WIDTH * 8);
  // What is there shows, however little it is.
  const shown = value > 0 ? Math.max(1, eighths) : 0;
  return '█'.repeat(shown >> 3) + EIGHTHS[shown & 7];
}

const TITLES: Readonly<Record<HistogramName, string>> = {
  sizes: 'BYTES PER FLOW',
  durations: 'DURATION',
  packetsPerFlow: 'PACKETS PER FLOW',
  protocols: 'PROTOCOL',
  endReasons: 'END REASON',
};

function label(name: HistogramName, bucket: Bucket, units: boolean): string {
  if (bucket.name !== undefined) return bucket.name;
  const { from = 0, to } = bucket;
  if (name === 'packetsPerFlow') {
    if (to === undefined) return `${from}–`;
    return to === from + 1 ? String(from) : `${from}–${to - 1}`;
  }
  const text = (value: number): string => {
    if (!units) return String(value);
    // Limits are round: 1.00 kB is 1 kB.
    return (name === 'sizes' ? scaled(value, 'B') : durationForPeople(value)).replace(/\.0+ /, ' ');
  };
  if (from === 0) return `< ${text(to ?? 0)}`;
  return to === undefined ? `≥ ${text(from)}` : `${text(from)} – ${text(to)}`;
}

function histogramAsTable(name: HistogramName, buckets: readonly Bucket[], options: TableOptions): string {
  const columns: TableColumn[] = [
    { title: TITLES[name], align: 'left' },
    { title: 'FLOWS', align: 'right' },
    { title: 'PACKETS', align: 'right' },
    { title: 'BYTES', align: 'right' },
  ];
  const most = Math.max(...buckets.map((bucket) => bucket.flows));
  const count = (value: number): string => (options.units ? scaled(value, '') : String(value));
  const rows = buckets.map((bucket) => [
    label(name, bucket, options.units),
    count(bucket.flows),
    count(bucket.packets),
    options.units ? scaled(bucket.bytes, 'B') : String(bucket.bytes),
  ]);
  if (options.units) {
    columns.push({ title: '', align: 'left', shrinkTo: 0 });
    rows.forEach((row, k) => {
      row.push(bar(buckets[k].flows, most));
    });
  }
  return renderTable(columns, rows, options);
}
