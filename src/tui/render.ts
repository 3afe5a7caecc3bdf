import type { LiveInterface } from '../model/live-source.js';
import { flowColumns, flowLine, headerLine, MARGIN } from './flow-columns.js';
import { interfaceLines } from './interface-lines.js';
import { hasLoss, lossText } from './losses.js';
import type { NameBook } from './names.js';
import type { Paint } from './paint.js';
import type { Size } from './screen.js';
import { sparkline } from './sparkline.js';
import { pad, safeText, textWidth, truncate } from './text.js';
import { durationForPeople, grouped, plural, scaled } from './units.js';
import type { Look, ViewModel } from './view-model.js';

export interface RenderOptions {
  readonly names: NameBook;
  readonly paint: Paint;
}

/** Screens with fewer lines go without blank lines. */
const LOW = 14;
/** Nothing can be read on smaller ones. */
const SMALLEST: Size = { columns: 24, rows: 5 };
const MOST_GRAPH = 60;
/** Shown where nothing flows for this long. */
const HINT_AFTER_SECONDS = 3;

const KEYS: readonly (readonly [string, string])[] = [
  ['q', 'quit'],
  ['s', 'sort'],
  ['f', 'filter'],
  ['/', 'search'],
  ['p', 'pause'],
  ['?', 'help'],
];

const HELP: readonly (readonly [string, string])[] = [
  ['q, Ctrl-C', 'end'],
  ['↑ ↓, k j', 'scroll a line; PgUp, PgDn a page; g, G to the ends'],
  ['s', 'sort by rate, bytes, packets, duration, source, destination'],
  ['f', 'filter of flows: host 10.0.0.1 and tcp and bytes > 1M'],
  ['/', 'search: rows that have this text'],
  ['Esc', 'no filter, no search'],
  ['p', 'pause the view; the daemon goes on'],
  ['i', 'interfaces and their losses'],
  ['Ctrl-L', 'draw the screen again'],
];

/** The whole screen: `size.rows` lines, none wider than `size.columns`. */
export function renderView(model: ViewModel, size: Size, options: RenderOptions): string[] {
  const { paint } = options;
  const { columns } = size;
  if (columns < SMALLEST.columns || size.rows < SMALLEST.rows) {
    const rate = model.look === undefined ? '' : scaled(Math.round(model.look.totals.byteRate * 8), 'bit/s');
    return [truncate(rate, columns), truncate('too small', columns)].slice(0, Math.max(0, size.rows));
  }
  const space = size.rows >= LOW ? [''] : [];
  const room = Math.max(0, size.rows - 4 - 2 * space.length);
  // Before the last line, which says what part of the rows is seen.
  const middle = fill(body(model, { columns, rows: room }, options), room);
  const head = [titleLine(model, columns, paint), totalLine(model.look, columns, paint), ...space];
  const lines = [...head, ...middle, ...space, lossLine(model, columns, paint), keyLine(model, columns, paint)];
  return lines.slice(0, size.rows);
}

function fill(lines: readonly string[], rows: number): string[] {
  return Array.from({ length: rows }, (_, row) => lines[row] ?? '');
}

/** Left and right part of a line; where both do not fit, the right one goes. `left` is cut. */
function sides(left: string, right: string, columns: number, style: (left: string, right: string) => string): string {
  const room = columns - 2 * MARGIN.length;
  const both = textWidth(left) + 2 + textWidth(right) <= room;
  if (right === '' || !both) return MARGIN + style(truncate(left, room), '');
  const gap = ' '.repeat(room - textWidth(left) - textWidth(right));
  return MARGIN + style(left + gap, right);
}

function titleLine(model: ViewModel, columns: number, paint: Paint): string {
  const { look } = model;
  const on = look === undefined ? '' : ` on ${observed(look.loss.interfaces)}`;
  const time = look === undefined ? '' : clock(look.time);
  const state = model.paused ? 'paused  ' : '';
  const room = columns - 2 * MARGIN.length - textWidth(time) - textWidth(state) - 2;
  return sides(`rheo${truncate(on, room - 4)}`, state + time, columns, (left, right) => {
    const stateText = right.startsWith(state)
      ? paint.warning(state.trimEnd()) + ' '.repeat(state.length - state.trimEnd().length)
      : '';
    return paint.bold('rheo') + left.slice(4) + (right === '' ? '' : stateText + paint.dim(time));
  });
}

/** What is observed, in words. `any` stands for interfaces that have names of their own as soon as they have packets. */
function observed(interfaces: readonly LiveInterface[]): string {
  const present = interfaces.filter(({ name, state }) => state !== 'gone' && name !== 'any');
  if (present.length > 0) return present.map(({ name }) => safeText(name)).join(', ');
  return interfaces.some(({ name }) => name === 'any') ? 'all interfaces' : 'no interface';
}

function clock(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

function totalLine(look: Look | undefined, columns: number, paint: Paint): string {
  if (look === undefined) return `${MARGIN}${truncate('waiting for packets …', columns - 2)}`;
  const { totals, loss } = look;
  const rate = pad(scaled(Math.round(totals.byteRate * 8), 'bit/s'), 11, false);
  const packets = pad(`${scaled(Math.round(totals.packetRate), '')} packets/s`, 16, false);
  const flows = plural(loss.flows.live, 'flow');
  const room = columns - 2 * MARGIN.length;
  const words = [rate.trimEnd(), packets.trimEnd(), flows];
  while (words.length > 1 && textWidth(words.join('  ')) > room) words.pop();
  const steady = `${rate}  ${packets}  ${flows}`;
  const left = textWidth(steady) + 12 <= room ? pad(steady, Math.max(44, textWidth(steady)), false) : words.join('  ');
  const graph = Math.min(MOST_GRAPH, room - textWidth(left) - 2);
  const bars =
    graph >= 8 ? ' '.repeat(room - textWidth(left) - graph) + paint.graph(sparkline(totals.history, graph)) : '';
  const first = truncate(words[0], room);
  return MARGIN + paint.bold(first) + left.slice(first.length) + bars;
}

/** What was lost, or that nothing was, and the sums. */
function lossLine(model: ViewModel, columns: number, paint: Paint): string {
  if (model.failure !== undefined) return MARGIN + paint.bad(truncate(safeText(model.failure), columns - 2));
  const { look } = model;
  if (look === undefined) return '';
  const { loss } = look;
  const style = !loss.balanced ? paint.bad : hasLoss(loss) ? paint.warning : paint.good;
  const right = `${plural(loss.decoded, 'packet')}, ${scaled(loss.octets, 'B')}, ${plural(loss.flows.opened, 'flow')}`;
  return sides(lossText(loss), right, columns, (a, b) => style(a) + paint.dim(b));
}

function keyLine(model: ViewModel, columns: number, paint: Paint): string {
  const { prompt } = model;
  const room = columns - 2 * MARGIN.length;
  if (prompt !== undefined) {
    const label = prompt.kind === 'filter' ? 'filter: ' : 'search: ';
    const error = prompt.error === undefined ? '' : `  ${safeText(prompt.error)}`;
    const typed = safeText(prompt.text);
    // The end of what is typed is what matters.
    let shown = typed;
    while (textWidth(shown) + label.length + 1 > room && shown !== '') shown = [...shown].slice(1).join('');
    const used = textWidth(label) + textWidth(shown) + 1;
    return `${MARGIN}${paint.bold(label)}${shown}_${paint.warning(truncate(error, Math.max(0, room - used)))}`;
  }
  const place = placeText(model);
  const keys: (readonly [string, string])[] = [];
  let width = place === '' ? 0 : place.length + 1;
  for (const [key, word] of KEYS) {
    const text = key === 's' ? `${word}: ${model.sort}` : word;
    const more = key.length + 1 + text.length + (keys.length === 0 ? 0 : 2);
    if (width + more > room) break;
    width += more;
    keys.push([key, text]);
  }
  const left = keys.map(([key, word]) => `${paint.key(key)} ${paint.dim(word)}`).join('  ');
  const leftWidth = keys.reduce(
    (sum, [key, word]) => sum + key.length + 1 + word.length,
    2 * Math.max(0, keys.length - 1),
  );
  if (place === '' || leftWidth + place.length > room) return MARGIN + left;
  return MARGIN + left + ' '.repeat(room - leftWidth - place.length) + paint.dim(place);
}

/** Which rows are seen, of how many. */
function placeText(model: ViewModel): string {
  if (model.page !== 'flows') return '';
  const count = model.rows().length;
  if (count <= model.pageRows && model.search === '' && model.filter === '') return '';
  const last = Math.min(count, model.offset + model.pageRows);
  return count === 0 ? '' : `${model.offset + 1}–${last} of ${grouped(count)}`;
}

function body(model: ViewModel, size: Size, options: RenderOptions): string[] {
  const { paint } = options;
  const { look } = model;
  if (model.page === 'help') {
    return HELP.map(([key, text]) => truncate(`${MARGIN}${pad(key, 12, false)}${text}`, size.columns));
  }
  if (look === undefined) return [];
  if (model.page === 'interfaces') return interfaceLines(look.loss.interfaces, size, paint);
  const rows = model.rows();
  const notes: string[] = [];
  if (model.filter !== '') notes.push(`filter: ${safeText(model.filter)}`);
  if (model.search !== '' && model.prompt?.kind !== 'search') notes.push(`search: ${safeText(model.search)}`);
  const noteLines = notes.length === 0 ? [] : [MARGIN + paint.warning(truncate(notes.join('   '), size.columns - 2))];
  model.pageRows = Math.max(1, size.rows - 1 - noteLines.length);
  model.offset = Math.max(0, Math.min(model.offset, rows.length - model.pageRows));
  if (rows.length === 0) return [...noteLines, ...emptyLines(model, look, size, paint)];
  const columns = flowColumns(size.columns, options.names);
  const shown = rows.slice(model.offset, model.offset + model.pageRows);
  return [...noteLines, headerLine(columns, paint), ...shown.map((row) => flowLine(columns, row, paint))];
}

/** Where there is nothing to show: why, what there is, and what to do. */
function emptyLines(model: ViewModel, look: Look, size: Size, paint: Paint): string[] {
  const line = (text: string): string => MARGIN + truncate(text, size.columns - 2);
  if (model.filter !== '' || model.search !== '') {
    return [line(`None of ${plural(look.loss.flows.live, 'flow')} matches. Esc shows all again.`)];
  }
  const { loss } = look;
  const seconds = Math.round(loss.elapsed);
  const quiet =
    loss.packets === 0
      ? `No packet yet in ${durationForPeople(seconds)}.`
      : `No flows now. ${plural(loss.packets, 'packet')} in ${durationForPeople(seconds)}.`;
  const lines = [line(quiet)];
  if (seconds >= HINT_AFTER_SECONDS) lines.push(line('Make some: ping localhost, or open a page.'));
  return [...lines, '', ...interfaceLines(loss.interfaces, { ...size, rows: size.rows - lines.length - 1 }, paint)];
}
