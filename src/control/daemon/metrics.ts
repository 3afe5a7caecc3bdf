import type { MetricsInput } from './metric.js';
import { METRICS } from './metric-table.js';

/**
 * The metrics in Prometheus's text format 0.0.4. A metric without samples (no interface, no target) is left out.
 * Labels never hold an address.
 */
export function metricsText(input: MetricsInput): string {
  let text = '';
  for (const metric of METRICS) {
    let lines = '';
    for (const [values, value] of metric.samples(input)) {
      lines += `${metric.name}${labelText(metric.labels, values)} ${numberText(value)}\n`;
    }
    if (lines !== '') {
      text += `# HELP ${metric.name} ${escapeHelp(metric.help)}\n# TYPE ${metric.name} ${metric.type}\n${lines}`;
    }
  }
  return text;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  return `{${names.map((name, k) => `${name}="${escapeLabel(values[k])}"`).join(',')}}`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

/** Names of interfaces and the like are bytes that others chose. */
function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => ESCAPES[character]);
}

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, (character) => ESCAPES[character]);
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
