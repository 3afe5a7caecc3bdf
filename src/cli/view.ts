import { ErrorCode, RheoError } from '../core/errors.js';
import { CsvWriter } from '../export/csv.js';
import { JsonWriter } from '../export/json.js';
import type { Output } from '../export/output.js';
import { ScaleSink } from '../export/scale.js';
import { selectMembers } from '../export/select.js';
import type { RecordFormat } from '../model/core-fields.js';
import type { RecordField } from '../model/hook.js';
import type { ReadOptions } from '../model/options.js';
import { recordMembers } from '../model/read-record.js';
import type { RecordSink } from '../model/sink.js';
import { FlowTable, type TableOptions } from './flow-table.js';
import { GROUP_ORDERS, type GroupOrder, GroupSink, parseGroupBy } from './group.js';
import { renderGroups, type ViewFormat } from './group-view.js';
import { SummarySink } from './histogram.js';
import type { ParsedArguments } from './parse.js';
import { DEFAULT_TOP, SORT_KEYS, type SortKey } from './spec.js';
import { renderSummary } from './summary-view.js';
import { TopSink } from './top.js';

type Values = ParsedArguments['values'];

export function viewFormat(values: Values): ViewFormat {
  if (values.has('json')) return 'json';
  return values.has('csv') ? 'csv' : 'table';
}

/** True if `value` is one of `known`. */
function isOneOf<T extends string>(value: string, known: readonly T[]): value is T {
  return (known as readonly string[]).includes(value);
}

function wrongOrder(order: string, known: readonly string[], what: string): RheoError {
  return new RheoError(ErrorCode.usage, `--sort: ${what} cannot be sorted by ${order}`, {
    remedy: `Choose one of ${known.join(', ')}.`,
  });
}

/**
 * The sink that makes the output which the flags ask for.
 * @param features fields of the features that are on
 * @throws RheoError `RHEO_USAGE` for flags that contradict each other and for unknown fields
 */
export function makeView(
  values: Values,
  options: ReadOptions,
  features: readonly RecordField[],
  output: Output,
  table: TableOptions,
): RecordSink {
  const sink = makeSink(values, options, features, output, table);
  const { sampling } = options;
  return sampling?.scale ? new ScaleSink(sampling.n, sink) : sink;
}

function makeSink(
  values: Values,
  options: ReadOptions,
  features: readonly RecordField[],
  output: Output,
  table: TableOptions,
): RecordSink {
  const format = viewFormat(values);
  const order = values.get('sort') as string | undefined;
  const top = values.get('top') as number | undefined;
  if (values.has('summary')) {
    return new SummarySink((view) => output.text(renderSummary(view, format, table)));
  }
  const groupBy = values.get('group-by') as string | undefined;
  if (groupBy !== undefined) {
    const by = parseGroupBy(groupBy);
    const groupOrder = order ?? 'bytes';
    if (!isOneOf<GroupOrder>(groupOrder, GROUP_ORDERS)) throw wrongOrder(groupOrder, GROUP_ORDERS, 'groups');
    const shown = top ?? (format === 'table' ? DEFAULT_TOP : Number.POSITIVE_INFINITY);
    return new GroupSink(by, (groups) => {
      output.text(renderGroups(by, groups.result(groupOrder, shown), format, table));
    });
  }
  const seed = values.get('community-id-seed') as number | undefined;
  const recordFormat: RecordFormat = {
    ...(seed === undefined ? {} : { communityIdSeed: seed }),
    ...(options.sampling === undefined ? {} : { sampling: options.sampling }),
  };
  const members = recordMembers(options.key?.extra ?? [], features, recordFormat);
  const names = values.get('fields') as readonly string[] | undefined;
  const fields = selectMembers(members, names);
  const key = order ?? 'bytes';
  if (!isOneOf<SortKey>(key, SORT_KEYS)) throw wrongOrder(key, SORT_KEYS, 'flows');
  let sink: RecordSink;
  if (format === 'json') sink = new JsonWriter(output, fields, recordFormat);
  else if (format === 'csv') sink = new CsvWriter(output, fields, recordFormat);
  else sink = new FlowTable(output, names === undefined ? undefined : fields, table);
  const bounded = format === 'table' || top !== undefined || order !== undefined;
  return bounded ? new TopSink(top ?? DEFAULT_TOP, key, sink) : sink;
}
