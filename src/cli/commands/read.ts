import type { ExportSink } from '../../control/export-sink.js';
import { countPackets, readCaptures } from '../../control/read.js';
import { recordFields } from '../../control/settings.js';
import { Output } from '../../export/output.js';
import { ScaleSink } from '../../export/scale.js';
import type { ReadOptions } from '../../model/options.js';
import type { RecordSink } from '../../model/sink.js';
import type { Interface } from '../../model/source.js';
import type { Progress, Summary, TargetSummary } from '../../model/summary.js';
import { NameBook } from '../../tui/names.js';
import { safeLines } from '../../tui/text.js';
import { hasLoss, lossLines, summaryLine, targetLines } from '../footer.js';
import { splitOperands } from '../operands.js';
import type { ParsedArguments } from '../parse.js';
import { ProgressBar } from '../progress.js';
import { enrichmentOptions, readOptions } from '../read-options.js';
import { type Terminal, terminal } from '../terminal.js';
import { makeView, viewFormat } from '../view.js';

const INTERRUPTED = 130;

/** The first SIGINT stops the run, which then prints what it has; the second ends the process, as if nobody listened. */
function onInterrupt(abort: AbortController): () => void {
  // Taken away before it runs: from then on the system answers the signal, also while this thread writes or waits.
  const handler = (): void => abort.abort();
  process.once('SIGINT', handler);
  return () => {
    process.off('SIGINT', handler);
  };
}

/** Flags that ask for records or numbers on standard output. */
const VIEW_FLAGS = ['json', 'csv', 'fields', 'top', 'sort', 'group-by', 'summary'] as const;
/** Reasons for which a protocol cannot carry a record: told, but nothing went wrong. */
const NOT_CARRIED = new Set(['notIpv4', 'tooLarge', 'linkType']);

/** True if records were lost that the target could have taken. */
function failed({ dropped }: TargetSummary): boolean {
  return Object.entries(dropped).some(([reason, count]) => count > 0 && !NOT_CARRIED.has(reason));
}

/** Signs what became of the records into the ledger. */
function addTargets(summary: Summary, exports: ExportSink): void {
  summary.targets = exports.summaries();
  summary.imbalance.push(...exports.imbalance(summary.records));
  summary.balanced = summary.imbalance.length === 0;
}

function report(summary: Summary, values: ParsedArguments['values'], screen: Terminal): void {
  if (values.has('quiet')) return;
  const verbose = values.has('verbose');
  const table = viewFormat(values) === 'table';
  // Where records go to a program, its standard error stays silent as long as nothing was lost.
  if (!table && !verbose && !screen.errorIsTerminal && !hasLoss(summary)) return;
  const lines = [summaryLine(summary), ...targetLines(summary), ...lossLines(summary, verbose)];
  if (summary.interrupted) lines.push('interrupted: this is what was read until then');
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Writes the number of matching packets and nothing else. */
async function runCount(
  files: readonly string[],
  filter: string | undefined,
  options: ReadOptions,
  output: Output,
): Promise<number> {
  const abort = new AbortController();
  const ignoreInterrupts = onInterrupt(abort);
  try {
    const count = await countPackets(files, filter, { follow: options.follow ?? false, signal: abort.signal });
    output.text(`${count}\n`);
    await output.drain();
  } finally {
    ignoreInterrupts();
  }
  return abort.signal.aborted ? INTERRUPTED : 0;
}

/** `rheo read`. Returns the exit code. */
export async function runRead(parsed: ParsedArguments): Promise<number> {
  const { values } = parsed;
  const { files, filter } = splitOperands(parsed);
  const options = readOptions(values, filter);
  const enrich = enrichmentOptions(values);
  const output = Output.patient(1, 'standard output');
  if (values.has('count')) return runCount(files, filter, options, output);
  const screen = terminal(process.env, values.has('no-color'));
  const names = new NameBook(!values.has('no-names'));
  const progress =
    screen.errorIsTerminal && !values.has('no-progress') && !values.has('quiet')
      ? new ProgressBar(
          (text) => process.stderr.write(text),
          () => performance.now(),
        )
      : undefined;
  const log = (level: 'info' | 'warn' | 'error', message: string): void => {
    if (level === 'info' ? !values.has('verbose') : values.has('quiet') && level !== 'error') return;
    progress?.clear();
    process.stderr.write(safeLines(`rheo: ${message}\n`));
  };
  const enrichment =
    enrich === undefined ? undefined : new (await import('../../control/enrichment.js')).Enrichment(enrich, log);
  await enrichment?.start();
  const enricher = enrichment?.enricher;
  const features = [...recordFields(options.features), ...(enricher?.fields ?? [])];
  const urls = (values.get('export') as readonly string[] | undefined) ?? [];
  // Who exports wants no table besides, unless a flag asks for one.
  const seen = urls.length === 0 || VIEW_FLAGS.some((name) => values.has(name));
  const view = seen
    ? makeView(values, options, features, output, {
        units: screen.outputIsTerminal,
        width: screen.width,
        color: screen.color,
        names,
      })
    : undefined;
  const abort = new AbortController();
  output.onClosed = () => {
    abort.abort();
  };
  const interfaces: Interface[] = [];
  let packets = 0;
  const exports =
    urls.length === 0
      ? undefined
      : await (await import('../../control/export-sink.js')).ExportSink.open(urls, {
          fields: [...recordFields(options.features, interfaces), ...(enricher?.fields ?? [])],
          keyParts: options.key?.extra ?? [],
          sampling: options.sampling,
          communityIdSeed: (values.get('community-id-seed') as number | undefined) ?? 0,
          interfaces,
          packets: () => packets,
          log,
        });
  const { sampling } = options;
  const scaled = view === undefined && exports !== undefined && sampling?.scale === true;
  const exported: RecordSink | undefined = scaled ? new ScaleSink(sampling.n, exports) : exports;
  const sink: RecordSink = {
    async write(batch) {
      enricher?.enrich(batch);
      // The view multiplies counters in place where --scale asks for it: targets then get them so.
      await view?.write(batch);
      await output.drain();
      await exported?.write(batch);
    },
    async close() {
      // The bar is gone before anything is printed.
      progress?.clear();
      await view?.close();
      await output.drain();
      await exported?.close();
    },
  };
  const sampled = exports?.sampling;
  const ignoreInterrupts = onInterrupt(abort);
  try {
    const summary = await readCaptures(files, options, sink, {
      signal: abort.signal,
      onNames: (found) => names.learn(found),
      interfaces,
      ...(sampled === undefined ? {} : { samples: sampled }),
      ...(progress === undefined && exports === undefined
        ? {}
        : {
            onProgress(state: Progress) {
              packets = state.packets;
              progress?.update(state);
            },
          }),
    });
    if (exports !== undefined) addTargets(summary, exports);
    if (output.closed) return 0;
    report(summary, values, screen);
    if (exports?.summaries().some(failed)) return 1;
  } finally {
    progress?.clear();
    await exports?.close();
    ignoreInterrupts();
  }
  return abort.signal.aborted ? INTERRUPTED : 0;
}
