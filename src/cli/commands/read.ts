import { countPackets, readCaptures } from '../../control/read.js';
import { recordFields } from '../../control/settings.js';
import { Output } from '../../export/output.js';
import type { ReadOptions } from '../../model/options.js';
import type { RecordSink } from '../../model/sink.js';
import type { Summary } from '../../model/summary.js';
import { hasLoss, lossLines, summaryLine } from '../footer.js';
import { NameBook } from '../names.js';
import { splitOperands } from '../operands.js';
import type { ParsedArguments } from '../parse.js';
import { ProgressBar } from '../progress.js';
import { readOptions } from '../read-options.js';
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

function report(summary: Summary, values: ParsedArguments['values'], screen: Terminal): void {
  if (values.has('quiet')) return;
  const verbose = values.has('verbose');
  const table = viewFormat(values) === 'table';
  // Where records go to a program, its standard error stays silent as long as nothing was lost.
  if (!table && !verbose && !screen.errorIsTerminal && !hasLoss(summary)) return;
  const lines = [summaryLine(summary), ...lossLines(summary, verbose)];
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
  const output = new Output(1, 'standard output');
  if (values.has('count')) return runCount(files, filter, options, output);
  const screen = terminal(process.env, values.has('no-color'));
  const names = new NameBook(!values.has('no-names'));
  const view = makeView(values, options, recordFields(options.features), output, {
    units: screen.outputIsTerminal,
    width: screen.width,
    color: screen.color,
    names,
  });
  const abort = new AbortController();
  output.onClosed = () => {
    abort.abort();
  };
  const progress =
    screen.errorIsTerminal && !values.has('no-progress') && !values.has('quiet')
      ? new ProgressBar(
          (text) => process.stderr.write(text),
          () => performance.now(),
        )
      : undefined;
  const sink: RecordSink = {
    write: (batch) => view.write(batch),
    async close() {
      // The bar is gone before anything is printed.
      progress?.clear();
      await view.close();
    },
  };
  const ignoreInterrupts = onInterrupt(abort);
  try {
    const summary = await readCaptures(files, options, sink, {
      signal: abort.signal,
      onNames: (found) => names.learn(found),
      ...(progress === undefined ? {} : { onProgress: (state) => progress.update(state) }),
    });
    if (output.closed) return 0;
    report(summary, values, screen);
  } finally {
    progress?.clear();
    ignoreInterrupts();
  }
  return abort.signal.aborted ? INTERRUPTED : 0;
}
